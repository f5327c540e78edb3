"""The window is closed, or not read any more, while the program is busy: it ends, and nothing is left behind."""

import asyncio
import contextlib
import os
import re
import signal
import sys

import pytest

from tests.e2e.terminal import RUNNING, Terminal, at_fleet, lists
from tests.e2e.test_dashboard import SANDTUI, environment, leave
from tests.e2e.test_shell import LEAVE, make

NUMBERS = re.compile(r"^\d{3,}$", re.MULTILINE).search
"""Whether a screen shows what ``seq`` prints."""

HANGS = "the shutdown hangs"
"""Logged when the program had to be ended by force."""


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "debug.log"


async def choose(terminal, name):
    """Put the cursor on a sandbox."""
    await terminal.until("live")
    await terminal.press("/")
    await terminal.until("f1 help")
    await terminal.press(*name, "enter")
    await terminal.until(lambda text: lists(RUNNING, name)(text) and at_fleet(text))


def ended_well(log):
    text = log.read_text()
    return HANGS not in text and "Traceback" not in text


@pytest.mark.parametrize("controls", [False, True], ids=["no signal", "signal"])
@pytest.mark.parametrize("leaves", [False, True], ids=["in the tab", "left"])
async def test_a_window_that_is_closed_while_a_shell_draws(platform_process, remote, log, controls, leaves):
    name = f"gone-{controls:d}{leaves:d}"
    await make(platform_process, name, vm=False)
    async with Terminal([*SANDTUI, "--log", str(log)], remote, controls=controls) as terminal:
        await choose(terminal, name)
        await terminal.press("s")
        await terminal.until("ctrl+] detach")
        await terminal.press(*"seq 2000; seq 3000; seq 4000")
        terminal.write("\r")
        await terminal.until(NUMBERS)
        if leaves:
            terminal.write(LEAVE)
        terminal.hang_up()
        assert await terminal.ended() == 129
        assert terminal.left == []
    assert ended_well(log)


@pytest.mark.parametrize("how", ["attached", "editor", "stopped"])
async def test_a_window_that_is_closed_while_another_program_has_it(platform_process, remote, log, tmp_path, how):
    name = f"other-{how}"
    await make(platform_process, name, vm=False)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho the editor\nexec sleep 4321\n")
    editor.chmod(0o755)
    env = {**remote, "EDITOR": str(editor), "PS1": "shell> "}
    command = [*SANDTUI, "--log", str(log)]
    async with Terminal(["sh", "-i"] if how == "stopped" else command, env, controls=True) as terminal:
        if how == "stopped":
            await terminal.until("shell>")
            terminal.write(" ".join(command) + "\r")
        await choose(terminal, name)
        if how == "attached":
            await terminal.press("S")
            await terminal.until("ctrl+d to leave")
            terminal.write("seq 2000; seq 3000; seq 4000\r")
            await terminal.until(NUMBERS)
        elif how == "editor":
            await terminal.press("n")
            await terminal.until("New sandbox")
            await terminal.press("ctrl+t")
            await terminal.until("the editor")
        else:
            await terminal.press("ctrl+z")
            await terminal.until(lambda text: "topped" in text and "shell>" in text)
        terminal.hang_up()
        await terminal.ended()
        await terminal.is_empty()
    assert ended_well(log)


@pytest.mark.parametrize("where", ["fleet", "tab", "attached", "editor"])
async def test_a_terminal_that_is_not_read_does_not_hold_up_the_end(platform_process, remote, log, tmp_path, where):
    name = f"unread-{where}"
    await make(platform_process, name, vm=False)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho the editor\nexec seq 100000000\n")
    editor.chmod(0o755)
    env = {**remote, "EDITOR": str(editor)}
    async with Terminal([*SANDTUI, "--log", str(log)], env, controls=True) as terminal:
        await choose(terminal, name)
        if where == "tab":
            await terminal.press("s")
            await terminal.until("ctrl+] detach")
            terminal.write("seq 100000000\r")
            await terminal.until(NUMBERS)
            terminal.stall()
        elif where == "attached":
            await terminal.press("S")
            await terminal.until("ctrl+d to leave")
            terminal.write("seq 100000000\r")
            await terminal.until(NUMBERS)
            terminal.stall()
        elif where == "editor":
            await terminal.press("n")
            await terminal.until("New sandbox")
            terminal.write("\x14")
            await terminal.until(NUMBERS)
            terminal.stall()
        else:
            terminal.stall()
            terminal.write("51" * 20)
        terminal.process.terminate()
        assert await terminal.ended() == 143
        assert terminal.left == []
        assert terminal.modes == terminal.modes_before
    assert ended_well(log)


@pytest.mark.parametrize("how", ["key", "signal"])
async def test_a_terminal_that_is_read_again_after_the_end_is_restored(remote, log, how):
    async with Terminal([*SANDTUI, "--log", str(log)], remote, controls=True) as terminal:
        await terminal.until("live")
        terminal.stall()
        # More than the terminal holds: the modes are behind it.
        terminal.write("51" * 20)
        if how == "key":
            terminal.write("\x11")
        else:
            terminal.process.terminate()
        assert await terminal.ended() == (0 if how == "key" else 143)
        terminal.read_again()
        async with asyncio.timeout(20):
            while b"\x1b[?1049l" not in terminal.raw:
                await asyncio.sleep(0)
        assert b"\x1b[?2004l" in terminal.raw
        assert b"\x1b[?25h" in terminal.raw
    assert ended_well(log)


async def test_a_terminal_that_is_read_again_shows_all(remote):
    async with Terminal(SANDTUI, remote, controls=True) as terminal:
        await terminal.until("live")
        terminal.stall()
        terminal.write("51" * 20)
        terminal.write("n")
        terminal.read_again()
        await terminal.until("New sandbox")
        await terminal.press("escape")
        await terminal.until(at_fleet)
        await leave(terminal)


SLOW_TO_LEAVE = """
import asyncio, sys
from sandtui.cli.program import main
from sandtui.ui.services.transfers import Transfers

async def end(self):
    await asyncio.sleep(0.5)
    print("written down", file=open(sys.argv[-1], "w"))

Transfers.end = end
sys.exit(main(sys.argv[1:-1]))
"""


async def test_ctrl_c_cuts_no_last_step_short(remote, log, tmp_path):
    done = tmp_path / "done"
    command = [sys.executable, "-c", SLOW_TO_LEAVE, f"--log={log}", str(done)]
    async with Terminal(command, remote, controls=True) as terminal:
        await terminal.until("live")
        terminal.write("\x11")
        async with asyncio.timeout(20):
            while b"\x1b[?1049l" not in terminal.raw:
                await asyncio.sleep(0)
        while terminal.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(terminal.process.pid, signal.SIGINT)
            await asyncio.sleep(0.01)
        assert terminal.process.returncode == 0
        assert done.read_text() == "written down\n"
        assert ended_well(log)
