"""What lasts longer than a second says so on a terminal, and leaves nothing behind."""

import asyncio
import os

import pytest

from sandtui.cli import progress
from sandtui.cli.progress import ProgressLine, waiting
from sandtui.cli.usage import set_quiet

CLEAR = "\r\x1b[K"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "on_terminal", lambda *_: True)
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(progress, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((60, 24)))


def test_a_line_shows_how_much_is_done_and_goes_away(terminal, capsys):
    line = ProgressLine("deleting", 40)
    line.update(10, "2 failed")
    line.clear()
    said = capsys.readouterr()
    assert said.out == ""
    assert "deleting █████░░░░░░░░░░░░░░░ 10 of 40 · 2 failed" in said.err
    assert said.err.endswith(CLEAR)


def test_a_line_never_wraps(terminal, capsys):
    ProgressLine("x" * 200, 3).update(1)
    assert len(capsys.readouterr().err.replace(CLEAR, "").strip("\r\x1b[K")) < 60


def test_what_is_over_soon_says_nothing(terminal, monkeypatch, capsys):
    monkeypatch.setattr(progress, "SILENT_SECONDS", 60.0)
    line = ProgressLine("deleting", 40)
    line.update(10)
    line.clear()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["no terminal", "quiet"])
def test_nothing_is_shown_without_a_terminal_or_when_quiet(terminal, monkeypatch, capsys, how):
    if how == "quiet":
        set_quiet(True)
    else:
        monkeypatch.setattr(progress, "on_terminal", lambda *_: False)
    try:
        line = ProgressLine("deleting", 40)
        line.update(10)
        line.clear()
    finally:
        set_quiet(False)
    assert capsys.readouterr().err == ""


async def test_a_wait_says_what_for(terminal, capsys):
    async with waiting("starting the local platform"):
        for _ in range(5):
            await asyncio.sleep(0)
    assert capsys.readouterr().err == f"\rstarting the local platform …\x1b[K{CLEAR}"
