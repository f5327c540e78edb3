"""The real program in a pseudo-terminal against the real local platform."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import start_platform
from tests.e2e.terminal import ENDED, RUNNING, Terminal, at_fleet, lists

SANDTUI = [sys.executable, "-m", "sandtui"]


def environment(home, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(home), **more}


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


async def leave(terminal):
    await terminal.press("ctrl+q")
    assert await terminal.ended() == 0
    assert terminal.modes == terminal.modes_before, "the terminal's modes are as they were"
    assert b"\x1b[?1049l" in terminal.raw, "the alternate screen was left"
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l"), "the cursor is shown"
    assert terminal.raw.rfind(b"\x1b[?1000l") > terminal.raw.rfind(b"\x1b[?1000h"), "the mouse is the terminal's"


@pytest.mark.parametrize(("columns", "lines"), [(120, 36), (80, 24)])
async def test_create_exec_and_delete_by_keys(remote, columns, lines):
    name = f"keys-{columns}"
    async with Terminal(SANDTUI, remote, columns=columns, lines=lines) as terminal:
        await terminal.until("live")
        await terminal.press("n")
        await terminal.until("New sandbox")
        await terminal.press(*name, "tab", "tab", "tab", "tab", *f"e2e size={columns}", "ctrl+s")
        await terminal.until("Created")
        # The form's own footer says f1: only the fleet's says enter.
        await terminal.until(at_fleet)
        await terminal.press("/")
        await terminal.until("f1 help")
        await terminal.press(*f"#size={columns}", "enter")
        await terminal.until("? help")
        await terminal.until(lists(RUNNING, name))
        await terminal.press("x")
        await terminal.until(f"Command · {name}")
        await terminal.press(*"echo out; echo err >&2; exit 7", "enter")
        # The end and the output are drawn by two widgets, which may come in two frames.
        await terminal.until(lambda text: all(part in text for part in ("✖ exit 7", "  out", "! err")))
        await terminal.press(*"cd /tmp; export E2E=kept", "enter")
        await terminal.until("cwd /tmp")
        await terminal.press(*"pwd; echo got-$E2E; ls -A | grep -c sandtui", "enter")
        shown = await terminal.until("got-kept")
        assert "  /tmp\n" in re.sub(r" +\W*\n", "\n", shown)
        await terminal.until("run 3  ✖ exit 1")
        await terminal.press(*"sleep 300", "enter")
        await terminal.until("◐ run 4 running")
        await terminal.press("ctrl+c")
        await terminal.until("cancelled")
        await terminal.press(*"ps -e | grep -c '[s]leep 300'", "enter")
        await terminal.until("✖ exit 1")
        await terminal.press("escape", "escape")
        await terminal.until(at_fleet)
        await terminal.press("D")
        await terminal.until("Delete 1 sandbox")
        await terminal.press("enter")
        await terminal.until(at_fleet)
        assert lists(RUNNING, name)(terminal.text), "enter cancels"
        await terminal.press("D")
        await terminal.until("y confirm")
        await asyncio.sleep(0.2)
        await terminal.press("y")
        await terminal.until(lists(ENDED, name))
        await leave(terminal)


async def test_the_form_is_edited_as_a_text_in_the_users_editor(remote, tmp_path):
    editor, seen = tmp_path / "editor", tmp_path / "seen"
    editor.write_text(
        "#!/bin/sh\nsed -i 's/^memory_gb.*/memory_gb = 4/' \"$1\"\n"
        f'{{ dirname "$1"; stat -c %a "$(dirname "$1")"; cat "$1"; }} > {seen}\n'
    )
    editor.chmod(0o755)
    async with Terminal(SANDTUI, {**remote, "EDITOR": str(editor)}) as terminal:
        await terminal.until("live")
        await terminal.press("n")
        await terminal.until("New sandbox")
        await terminal.press("ctrl+t")
        await terminal.until("1 cpu · 4 GB · 5 GB disk")
        await terminal.press("escape")
        await terminal.until(at_fleet)
        await leave(terminal)
    folder, mode, *lines = seen.read_text().splitlines()
    assert mode == "700"
    assert any(line.startswith('docker_image = "python:3.11-slim"') for line in lines)
    assert not Path(folder).exists(), "the file is gone"


async def test_without_a_key_the_local_platform_starts_and_is_found_again(tmp_path):
    env = environment(tmp_path)
    try:
        async with Terminal(SANDTUI, env) as terminal:
            await terminal.until("No sandboxes yet")
            assert "local · " in terminal.text
            await terminal.press("n")
            await terminal.until("New sandbox")
            await terminal.press(*"survivor", "ctrl+s")
            await terminal.until(lists(RUNNING, "survivor"))
            await leave(terminal)
        async with Terminal(SANDTUI, env) as terminal:
            await terminal.until(lists(RUNNING, "survivor"))
            await leave(terminal)
    finally:
        stopped = subprocess.run([*SANDTUI, "local", "stop"], env=env, capture_output=True, text=True, check=True)
    assert "stopped" in stopped.stdout


async def test_a_wrong_key_is_reported_and_the_terminal_left_as_it_was(remote):
    async with Terminal(SANDTUI, {**remote, "PRIME_API_KEY": "wrong"}) as terminal:
        await terminal.until("API key rejected")
        await terminal.until("PRIME_API_KEY")
        await leave(terminal)


async def test_an_unreachable_platform_is_reported(remote, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with Terminal(SANDTUI, {**remote, "PRIME_API_BASE_URL": url}) as terminal:
        await terminal.until("offline")
        await terminal.until("can't connect to")
        await leave(terminal)


async def test_a_small_window_is_reported(remote):
    async with Terminal(SANDTUI, remote, columns=60, lines=15) as terminal:
        await terminal.until("Terminal too small: 60×15")
        await leave(terminal)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"PRIME_API_BASE_URL": "nonsense"}, "PRIME_API_BASE_URL"), ({"PRIME_CONTEXT": "nowhere"}, "PRIME_CONTEXT")],
)
async def test_an_unusable_configuration_is_one_clear_line(tmp_path, change, words):
    async with Terminal(SANDTUI, environment(tmp_path, **change)) as terminal:
        await terminal.until(lambda text: "sandtui: " in text and words in text)
        assert await terminal.ended() == 2
        assert "Traceback" not in terminal.text
        assert terminal.modes == terminal.modes_before


async def test_when_it_is_killed_the_terminal_heals(remote):
    async with Terminal(SANDTUI, remote) as terminal:
        await terminal.until("live")
        terminal.process.terminate()
        assert await terminal.ended() == 143
        assert terminal.modes == terminal.modes_before
        assert b"\x1b[?1049l" in terminal.raw


async def test_it_ends_with_its_terminal(remote):
    """The window is closed, and no signal tells of it."""
    async with Terminal(SANDTUI, remote) as terminal:
        await terminal.until("live")
        terminal.hang_up()
        assert await terminal.ended() == 129


async def test_a_closed_window_that_continues_the_program_leaves_no_error(remote, tmp_path):
    """The kernel sends SIGHUP and SIGCONT together when the shell of a terminal ends."""
    log = tmp_path / "debug.log"
    async with Terminal([*SANDTUI, "--log", str(log)], remote) as terminal:
        await terminal.until("live")
        terminal.hang_up()
        for _ in range(20):
            terminal.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.02)
            if terminal.process.returncode is not None:
                break
        await terminal.ended()
    assert "Traceback" not in log.read_text()


def test_without_a_terminal_it_says_so(tmp_path):
    result = subprocess.run(
        SANDTUI, env=environment(tmp_path), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert "needs a terminal" in result.stderr


def test_with_standard_error_redirected_it_says_so(tmp_path):
    import pty

    master, slave = pty.openpty()
    try:
        result = subprocess.run(
            SANDTUI, env=environment(tmp_path), stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True
        )
        said = os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert (result.returncode, result.stderr) == (2, "")
    assert "redirected" in said


async def test_a_launch_that_was_killed_is_offered_again_and_makes_nothing_twice(tmp_path):
    process, platform = start_platform(tmp_path / "state", "--driver", "simulated")
    env = environment(tmp_path, PRIME_API_KEY=platform.api_key, PRIME_API_BASE_URL=platform.base_url)
    try:
        async with Terminal(SANDTUI, env) as terminal:
            await terminal.until("No sandboxes yet")
            await terminal.press("n")
            await terminal.until("New sandbox")
            await terminal.press(*"killed", "tab", "tab", "tab", "tab", "tab", *"30")
            await terminal.until("create 30 sandboxes")
            await terminal.press("ctrl+s")
            await terminal.until("starting")
            terminal.process.kill()
            await terminal.ended()
        async with Terminal(SANDTUI, env) as terminal:
            await terminal.until("Unfinished launch")
            await terminal.press("tab")
            # An answer counts only once the question could be read.
            await asyncio.sleep(0.3)
            await terminal.press("enter")
            await terminal.until("30 ready")
            await terminal.press("escape")
            await terminal.until("Sandboxes 30")
            await leave(terminal)
        async with Terminal(SANDTUI, env) as terminal:
            await terminal.until("Sandboxes 30")
            assert "Unfinished launch" not in terminal.text
            await leave(terminal)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("kind", ["container", "vm"])
async def test_a_shell_takes_the_terminal_and_gives_it_back(remote, kind):
    async with Terminal(SANDTUI, remote) as terminal:
        await terminal.until("live")
        await terminal.press("n")
        await terminal.until("New sandbox")
        await terminal.press(*f"shell-{kind}", *(["tab"] * 17))
        await terminal.press(*kind, "ctrl+s")
        await terminal.until("Created")
        # The form's own footer says f1: only the fleet's says enter.
        await terminal.until(at_fleet)
        await terminal.press("/")
        await terminal.until("f1 help")
        await terminal.press(*f"shell-{kind}", "enter")
        await terminal.until("? help")
        await terminal.until(lists(RUNNING, f"shell-{kind}"))
        await terminal.press("S")
        await terminal.until("ctrl+d to leave")
        await terminal.press(*"echo sum-$((40+2)); stty size; tty", "enter")
        shown = await terminal.until("/dev/pts/")
        assert "sum-42" in shown
        assert "36 120" in shown
        await terminal.press("ctrl+c")
        # The terminal forgets what was typed when it takes ctrl+c: the next key waits until it has.
        await terminal.until("^C")
        await terminal.press(*"exit 5", "enter")
        await terminal.until("exited with code 5")
        await terminal.until(lists(RUNNING, f"shell-{kind}"))
        await leave(terminal)


async def test_a_shell_without_the_dashboard(platform_process, remote):
    async with Terminal([*SANDTUI, "shell", "nothing-like-it"], remote) as terminal:
        await terminal.until("no sandbox named")
        assert await terminal.ended() == 2
    made = subprocess.run([*SANDTUI, "create", "python", "--set", "name=cli-shell", "--wait"], env=remote, check=True)
    assert made.returncode == 0
    async with Terminal([*SANDTUI, "shell", "cli-shell"], remote) as terminal:
        await terminal.until("ctrl+d to leave")
        await terminal.press(*"hostname", "enter")
        await terminal.until("cli-shell")
        await terminal.press(*"exit 3", "enter")
        assert await terminal.ended() == 3
        assert terminal.modes == terminal.modes_before
