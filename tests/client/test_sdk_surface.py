"""Our names and arguments beside those of the official SDK 0.2.32, in its own environment (``make interop``)."""

import inspect
import json
import subprocess
from pathlib import Path

import pytest

import sandtui.client as ours

SDK = Path(__file__).parents[2] / ".interop" / "0.2.32" / "bin" / "python"
pytestmark = pytest.mark.skipif(not SDK.exists(), reason="the official SDK 0.2.32 is not installed: run `make interop`")

CLIENTS = [
    "SandboxClient",
    "AsyncSandboxClient",
    "APIClient",
    "AsyncAPIClient",
    "TemplateClient",
    "AsyncTemplateClient",
]

NOT_OFFERED: dict[str, str] = {}
"""Names of the SDK that this client has not, and why; those of image building are left out as a whole."""

MODELS = ["CreateSandboxRequest", "Sandbox", "CommandResponse", "ExposedPort", "SSHSession", "BackgroundJob"]

SCRIPT = """
import inspect, json, prime_sandboxes as sdk
def arguments(function):
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [[p.name, p.kind.name, p.default is not p.empty] for p in parameters]
found = {"names": sorted(sdk.__all__), "clients": {}, "models": {}}
for name in %s:
    kind = getattr(sdk, name)
    methods = {n: arguments(f) for n, f in inspect.getmembers(kind, inspect.isfunction) if not n.startswith("_")}
    found["clients"][name] = {"__init__": arguments(kind.__init__), **methods}
for name in %s:
    found["models"][name] = sorted(getattr(sdk, name).model_fields)
found["errors"] = {
    name: [base.__name__ for base in getattr(sdk, name).__mro__]
    for name in sdk.__all__
    if inspect.isclass(getattr(sdk, name)) and issubclass(getattr(sdk, name), Exception)
    and name not in ("TimeoutError", "ImageMutationError")
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def sdk():
    script = SCRIPT % (json.dumps(CLIENTS), json.dumps(MODELS))
    result = subprocess.run([SDK, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(result.stdout)


def test_every_name_is_there_or_told(sdk):
    building = [name for name in sdk["names"] if "Image" in name and not hasattr(ours, name)]
    assert building, "image building is the one part that is left out as a whole"
    missing = {name for name in sdk["names"] if not hasattr(ours, name)} - set(building)
    assert missing == set(NOT_OFFERED)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_method_takes_the_same_arguments(sdk, client):
    kind = getattr(ours, client)
    problems = []
    for method, theirs in sdk["clients"][client].items():
        function = getattr(kind, method, None)
        if function is None:
            problems.append(f"{method} is missing")
            continue
        mine = list(inspect.signature(function).parameters.values())[1:]
        for place, (name, _kind, optional) in enumerate(theirs):
            if place >= len(mine) or mine[place].name != name:
                problems.append(f"{method}: argument {place + 1} is not {name}")
            elif optional and mine[place].default is inspect.Parameter.empty:
                problems.append(f"{method}: {name} is not optional")
            elif mine[place].kind is inspect.Parameter.KEYWORD_ONLY:
                problems.append(f"{method}: {name} can't be given by its place")
        for parameter in mine[len(theirs) :]:
            if parameter.default is inspect.Parameter.empty:
                problems.append(f"{method}: {parameter.name} is needed here alone")
    assert problems == []


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_there(sdk, model):
    assert set(sdk["models"][model]) <= set(getattr(ours, model).model_fields)


def test_every_error_is_what_it_is_there(sdk):
    """Whoever catches the SDK's classes catches the same here."""
    assert sdk["errors"]
    for name, bases in sdk["errors"].items():
        mine = {base.__name__ for base in getattr(ours, name).__mro__}
        assert set(bases) <= mine, name
