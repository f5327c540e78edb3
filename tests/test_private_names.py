"""Tests use what the program offers: names that begin with an underscore are reached by the probes alone."""

import ast
from pathlib import Path

import pytest

from tests.sources import parse, parsed

TESTS = Path(__file__).parent
PROBES = TESTS / "probes.py"
BY_NAME = {"setattr", "delattr", "getattr", "hasattr"}
"""What reaches an attribute by its name."""


def is_private(name: str) -> bool:
    """Whether any part of a dotted name begins with an underscore; what Python itself means by two is public."""
    return any(part.startswith("_") and not (part.startswith("__") and part.endswith("__")) for part in name.split("."))


def is_own(node: ast.expr) -> bool:
    """Whether this is the object or the class whose method it is."""
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Name) and node.id in {"self", "cls", "super"}


def reached(tree: ast.Module) -> list[str]:
    """Return the private names that a module reaches, each with its line."""
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Attribute) and not is_own(node.value) and ast.unparse(node) != "os._exit":
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] in {"sandtui", "textual"}]
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in BY_NAME:
                names = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
        found += [f"{node.lineno}: {name}" for name in names if isinstance(name, str) and is_private(name)]
    return found


def test_no_test_reaches_a_private_name():
    paths = [path for path in TESTS.rglob("*.py") if path != PROBES]
    found = {str(path.relative_to(TESTS)): names for path in paths if (names := reached(parsed(path)))}
    assert found == {}, "use what is public, or add a probe with its reason to tests/probes.py"


@pytest.mark.parametrize(
    "line",
    [
        "app.screen._draw()",
        "client._session.retry.attempts = 1",
        "f(x)[0]._count",
        "from sandtui.config.activity import _SCHEMA",
        "from textual.widgets._toast import Toast",
        "import textual._context",
        "monkeypatch.setattr(table, '_draw', draw)",
        "monkeypatch.setattr('sandtui.ui.app._load', load)",
        "getattr(app.screen, '_rows', None)",
    ],
)
def test_a_private_name_is_seen(line):
    assert len(reached(parse(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "self._answer()",
        "super()._start()",
        "os._exit(0)",
        "cls._made = 1",
        "type(x).__name__",
        "from __future__ import annotations",
    ],
)
def test_own_names_and_public_ones_of_python_are_allowed(line):
    assert reached(parse(line)) == []


def test_every_probe_says_why():
    probes = [node for node in parsed(PROBES).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert probes
    assert all(len(ast.get_docstring(probe) or "") > 40 for probe in probes)
