"""What `sandtui.client` offers is imported when it is used, and is what type checkers are told."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sandtui.client
from sandtui.client import toolkit
from tests.sources import parsed


def told(package=sandtui.client):
    """Return what the block for type checkers says: each name and the module that it is from."""
    tree = parsed(Path(package.__file__))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module.removeprefix("sandtui.client.") for node in imports for alias in node.names}


def told_of_the_sdk():
    """Return the official SDK's names for classes that have another name here, as type checkers are told."""
    (block,) = (node for node in parsed(Path(sandtui.client.__file__)).body if isinstance(node, ast.If))
    return {node.targets[0].id: node.value.id for node in block.body if isinstance(node, ast.Assign)}


HOMES, SDK_NAMES = told(), told_of_the_sdk()


def test_type_checkers_and_the_program_see_the_same():
    assert set(sandtui.client.__all__) == {*HOMES, *SDK_NAMES} - {"TimeoutError"}


def test_the_toolkit_offers_what_type_checkers_see():
    assert set(toolkit.__all__) == told(toolkit).keys() <= set(dir(toolkit))
    for name, home in told(toolkit).items():
        assert getattr(toolkit, name) is getattr(importlib.import_module(f"sandtui.client.{home}"), name)
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = toolkit.Nonsense


@pytest.mark.parametrize("name", sorted({*HOMES, *SDK_NAMES}))
def test_every_name_is_there(name):
    module = importlib.import_module(f"sandtui.client.{HOMES[SDK_NAMES.get(name, name)]}")
    assert getattr(sandtui.client, name) is getattr(module, SDK_NAMES.get(name, name))
    assert name in dir(sandtui.client)


def test_what_is_not_there_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = sandtui.client.Nonsense
    with pytest.raises(ImportError, match="Nonsense"):
        from sandtui.client import Nonsense  # noqa: F401


def test_a_star_import_takes_all_and_hides_nothing_of_pythons():
    names: dict[str, object] = {}
    exec("from sandtui.client import *", names)
    assert {*sandtui.client.__all__} <= names.keys()
    assert names.get("TimeoutError", TimeoutError) is TimeoutError


@pytest.mark.parametrize(("wanted", "loads"), [("", set()), ("SandboxClientError", set()), ("Sandbox", {"pydantic"})])
def test_little_is_loaded_for_little(wanted, loads):
    line = f"from sandtui.client import {wanted}" if wanted else "import sandtui.client"
    heavy = "{'pydantic', 'httpx', 'asyncio', 'anyio'}"
    program = f"import sys\n{line}\nprint(*sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) == loads


@pytest.mark.parametrize("module", ["core", "core.client", "core.config", "exceptions"])
def test_the_modules_of_the_official_sdk_offer_the_same_objects(module):
    found = importlib.import_module(f"sandtui.client.{module}")
    assert found.__all__
    assert all(getattr(found, name) is getattr(sandtui.client, name) for name in found.__all__)
