"""What the system refuses is said in words, with the path: no errno on any screen."""

import ast
import errno
import os
from pathlib import Path

import pytest

import sandtui
from sandtui.directories import describe
from sandtui.ui.commands.past_commands import search_commands
from sandtui.ui.recordings.screen import RecordingsScreen
from sandtui.ui.widgets.output_view import OutputView
from tests.sources import parsed
from tests.ui.world import World, settled, until

UI = Path(sandtui.__file__).parent / "ui"
WIDE = {"OSError", "_TROUBLE"}
"""What a handler names when errors of the system get into it."""


def bare_errors(tree):
    """Yield the lines in which an error that may be one of the system becomes text without being described."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.type is not None]
    scopes = [
        (handler.name, handler.body)
        for handler in handlers
        if handler.name and WIDE & {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    ]
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            scopes += [
                (each.arg, function.body)
                for each in function.args.args
                if isinstance(each.annotation, ast.Name) and each.annotation.id == "OSError"
            ]
    for name, body in scopes:
        for node in (node for statement in body for node in ast.walk(statement)):
            drawn = node.value if isinstance(node, ast.FormattedValue) else None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
                drawn = node.args[0]
            if isinstance(drawn, ast.Name) and drawn.id == name:
                yield node.lineno


def test_no_screen_shows_an_error_of_the_system_as_it_is():
    found = []
    for path in sorted(UI.rglob("*.py")):
        if path.name in {"terminal_loan.py", "crash_report.py"}:
            continue  # one says by errno why a program can't be run, the other is read by who mends it
        tree = parsed(path)
        found += [f"{path.relative_to(UI)}:{line}" for line in bare_errors(tree)]
    assert not found, "describe() says them"


@pytest.mark.parametrize(
    ("error", "path", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "", "/x/y: Permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/.y.1a"), "/x/y", "/x/y: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "", "No space left on device"),
        (OSError(errno.EIO, ""), "/x", f"/x: {os.strerror(errno.EIO)}"),
        (OSError("a sentence of ours"), "/x", "a sentence of ours"),
        (ValueError("no such form"), "/x", "no such form"),
    ],
)
def test_an_error_in_words(error, path, words):
    assert describe(error, path) == words


def refuse(*_arguments, **_options):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/there/.file.0a1b")


async def said(pilot, words):
    """Await that something is said, and return it."""
    app = pilot.app
    await until(pilot, lambda: any(words in message.text for message in app.services.notifier.messages))
    return next(message.text for message in app.services.notifier.messages if words in message.text)


@pytest.mark.parametrize("way", ["new", "save"])
async def test_a_file_that_cannot_be_written(monkeypatch, tmp_path, way):
    path = tmp_path / "file"
    async with World().run_test() as pilot:
        app = await settled(pilot)
        if way == "new":
            monkeypatch.setattr("sandtui.ui.services.files.write_new", refuse)
            app.services.files.write(path, "text", "A table")
        else:
            app.services.files.save(path, refuse)
        words = await said(pilot, "not saved")
    assert words == f"{path} not saved: Read-only file system"


async def test_a_file_that_exists_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    async with World().run_test() as pilot:
        app = await settled(pilot)
        app.services.files.write(path, "new", "A table")
        words = await said(pilot, "not saved")
    assert words == f"{path} not saved: already exists: choose another name"
    assert path.read_text() == "old"


async def test_a_history_that_cannot_be_read(monkeypatch):
    async with World().run_test() as pilot:
        app = await settled(pilot)
        monkeypatch.setattr(app.services.command_history, "search", refuse)
        search_commands(app.services, "", None, lambda found: None)
        words = await said(pilot, "history")
    assert words == "Can't read the command history: /there/.file.0a1b: Read-only file system"


async def test_a_recording_that_cannot_be_removed(monkeypatch):
    async with World().run_test() as pilot:
        app = await settled(pilot)
        app.services.recordings.end(app.services.recordings.record("a shell", (80, 24), lambda: b"x"))
        await said(pilot, "ecording")
        screen = RecordingsScreen(app.services)
        app.push_screen(screen)
        await until(pilot, lambda: screen.is_mounted and "shell" in screen.query_one(OutputView).plain(0))
        monkeypatch.setattr(type(app.services.recordings.store), "read", refuse)
        await pilot.press("enter")
        words = await said(pilot, "can't be played")
    assert words.endswith("can't be played: /there/.file.0a1b: Read-only file system")
