"""No test changes what it has imported for good: the next test of the same process would meet it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIBRARIES = ("sandtui", "textual")

# It is meant for all tests of a process.
FOR_ALL = {"ui/stylesheets.py", "ui/strips.py"}


def imported_names(tree: ast.Module) -> set[str]:
    """Return the names by which a module knows what is in the program, or in a library that it patches."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            names |= {each.asname or each.name for each in node.names}
        elif isinstance(node, ast.Import):
            found = [each for each in node.names if each.name.split(".")[0] in LIBRARIES]
            names |= {each.asname or each.name.split(".")[0] for each in found}
    return names


def changed_for_good(source: str) -> Iterator[str]:
    """Find assignments to an attribute of something imported; monkeypatch would take them back."""
    tree = ast.parse(source)
    names = imported_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load):
            continue
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id in names:
            yield f"line {node.lineno}: {ast.unparse(node)}"


def test_no_test_changes_what_it_imported():
    found = {
        f"{path.relative_to(TESTS)} {each}"
        for path in TESTS.rglob("*.py")
        if path.relative_to(TESTS).as_posix() not in FOR_ALL
        for each in changed_for_good(path.read_text("utf-8"))
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "from sandtui.fleet.jobs.log_window import LogWindow\ndef f():\n    LogWindow.read_end = 1",
        "import sandtui.client.flows.parts\nsandtui.client.flows.parts.PART_SIZE += 1",
        "from textual.app import App as A\ndel A.title",
        "from sandtui.client import process\nkept, process.END_SECONDS = process.END_SECONDS, 0.01",
    ],
)
def test_a_change_for_good_is_found(source):
    assert len(list(changed_for_good(source))) == 1
    assert not list(changed_for_good("from sandtui.clock import ManualClock\nclock = ManualClock()\nclock.x = 1"))
