"""The two clients offer the same, from one text."""

import inspect

import pytest

from sandtui.client import APIClient, AsyncAPIClient, AsyncSandboxClient, SandboxClient
from sandtui.client.live import SandboxProcess
from sandtui.client.port import run_blocking
from sandtui.client.process import AsyncSandboxProcess

RENAMED = {"aclose": "close"}


def public(kind):
    return {name for name, value in inspect.getmembers(kind) if not name.startswith("_") and inspect.isfunction(value)}


def test_they_have_the_same_methods():
    expected = {RENAMED.get(name, name) for name in public(AsyncSandboxClient)}
    assert public(SandboxClient) == expected
    assert len(expected) >= 40


@pytest.mark.parametrize("name", sorted(public(AsyncSandboxClient)))
def test_a_method_has_one_signature_and_one_docstring(name):
    ours, twin = getattr(AsyncSandboxClient, name), getattr(SandboxClient, RENAMED.get(name, name))
    assert inspect.signature(ours) == inspect.signature(twin)
    assert inspect.getdoc(ours) == inspect.getdoc(twin)
    assert inspect.getdoc(ours), "every public method says what it does"


def test_the_api_clients_too():
    assert public(APIClient) == {RENAMED.get(name, name) for name in public(AsyncAPIClient)}


def test_every_public_annotation_is_there():
    for name in public(AsyncSandboxClient):
        signature = inspect.signature(getattr(AsyncSandboxClient, name))
        assert signature.return_annotation is not signature.empty, name
        for parameter in list(signature.parameters.values())[1:]:
            assert parameter.annotation is not parameter.empty, f"{name}({parameter.name})"


def test_a_flow_that_suspends_is_reported_and_not_left_hanging():
    import asyncio

    async def suspends():
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="suspended"):
        run_blocking(suspends())


def test_a_live_process_offers_the_same_too():
    twin = {RENAMED.get(name, name) for name in public(AsyncSandboxProcess)} - {"started"}
    assert public(SandboxProcess) == twin
    for name in twin - {"close"}:
        ours, theirs = getattr(AsyncSandboxProcess, name), getattr(SandboxProcess, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert inspect.getdoc(ours) == inspect.getdoc(theirs)
