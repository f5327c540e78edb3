"""What import-linter proves about the text, proved at run time."""

import ast
import pkgutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sandtui.client
from sandtui.client.flows.base import Flows
from sandtui.client.flows.operations import Operations
from tests.sources import parsed

PUBLIC = {"core", "errors", "exceptions", "models", "shell_words", "toolkit"}
"""The client's modules that others may import, beside the package itself; its docstring says what each is for."""


@pytest.mark.parametrize(
    "module",
    [
        "sandtui.client.sync_client",
        "sandtui.client.ssh",
        "sandtui.fleet.inventory.session",
        "sandtui.fleet.creation.form",
        "sandtui.cli.program",
    ],
)
def test_textual_and_rich_load_with_the_screens_only(module):
    code = f"import {module}, sys; print([name for name in ('textual', 'rich') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_command_line_starts_light():
    heavy = ("httpx", "pydantic", "asyncssh", "starlette")
    code = f"import sandtui.cli.program, sys; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def contract() -> dict[str, list[str]]:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    return next(found for found in contracts if found["name"] == "The client's inner modules are its own")


def test_each_module_of_the_client_is_for_use_or_forbidden_to_others():
    modules = {module.name for module in pkgutil.iter_modules(sandtui.client.__path__)}
    forbidden = {name.removeprefix("sandtui.client.") for name in contract()["forbidden_modules"]}
    assert forbidden == modules - PUBLIC
    assert modules >= PUBLIC
    assert all(f"``{name}``" in sandtui.client.__doc__ for name in PUBLIC)


def test_the_contract_holds_everything_outside_the_client():
    package = Path(sandtui.client.__path__[0]).parent
    outside = {module.name for module in pkgutil.iter_modules([str(package)])} - {"client", "__main__"}
    assert {name.removeprefix("sandtui.") for name in contract()["source_modules"]} == outside


def test_nothing_outside_the_client_imports_its_inner_modules():
    package = Path(sandtui.client.__path__[0]).parent
    found = []
    for path in package.rglob("*.py"):
        if path.is_relative_to(package / "client"):
            continue
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            inner = [name.split(".")[2] for name in names if name.startswith("sandtui.client.")]
            public = {*PUBLIC, *sandtui.client.__all__}
            found += [f"{path.relative_to(package)}: {name}" for name in inner if name not in public]
    assert found == []


def test_the_toolkit_loads_what_is_asked_for_alone():
    code = (
        "from sandtui.client.toolkit import DEFAULT_BASE_URL, prime_folder\nimport sys\n"
        "print([name for name in ('httpx', 'asyncssh', 'pydantic') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("group", Operations.__bases__, ids=lambda group: group.__name__)
def test_a_group_of_flows_needs_nothing_but_a_session(group):
    assert group.__mro__ == (group, Flows, object), (
        "what it needs of another group it reaches by a session, not by name"
    )


def test_no_module_of_the_dashboard_leads_back_to_itself():
    """Imports inside functions and for type checkers count too."""
    package = Path(sandtui.client.__path__[0]).parent
    modules = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (package / "ui").rglob("*.py")
    }
    graph = {}
    for name, path in modules.items():
        named = set()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                named |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
            elif isinstance(node, ast.Import):
                named |= {each.name for each in node.names}
        graph[name] = named & modules.keys() - {name}
    tuple(TopologicalSorter(graph).static_order())


def test_no_handler_calls_that_of_its_base():
    """Textual calls the handler of each class of a widget by itself; with ``super()`` the base's would run twice."""
    package = Path(sandtui.client.__path__[0]).parent
    found = []
    for path in (package / "ui").rglob("*.py"):
        for node in ast.walk(parsed(path)):
            # What takes events is no handler of one.
            if isinstance(node, ast.Attribute) and node.attr.startswith("on_") and node.attr != "on_event":
                is_super = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
                found += [f"{path.relative_to(package)}:{node.lineno}"] if is_super else []
    assert found == []
