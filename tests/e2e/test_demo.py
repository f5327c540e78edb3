"""The real demo in a pseudo-terminal: whatever ends it, only its crash reports remain."""

import asyncio
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

DEMO = ["demo", "--fleet", "30"]

BREAKING = """
import sys
from sandtui.cli.program import main
from sandtui.ui.inventory.screen import FleetScreen

def broken(self):
    raise ValueError("on purpose")

FleetScreen.action_columns = broken
sys.exit(main(["demo", "--fleet", "30"]))
"""


@pytest.fixture
def env(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}


def platform_of(env):
    """Return the process and the port of the demo's platform."""
    (endpoint,) = Path(env["TMPDIR"]).glob("sandtui-demo-*/platform/endpoint.json")
    text = endpoint.read_text()
    return int(re.search(r'"pid": (\d+)', text)[1]), int(re.search(r"127\.0\.0\.1:(\d+)", text)[1])


async def has_ended(pid):
    """Wait for the end of a process that is not a child of ours."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 30)
    finally:
        loop.remove_reader(fd)
        os.close(fd)


@pytest.mark.skipif(sys.platform != "linux", reason="needs pidfd_open")
@pytest.mark.parametrize("how", ["quit", "kill -9", "kill", "window closed", "kill -9 while connecting"])
async def test_nothing_of_the_demo_remains(env, how):
    async with Terminal([sys.executable, "-m", "sandtui", *DEMO], env) as terminal:
        if how.endswith("connecting"):
            await terminal.until("connecting")
            terminal.process.kill()
            await terminal.ended()
            # The platform may just be starting: it holds the end of its log, which we wait for to be let go.
            await asyncio.to_thread(no_one_lives_in, env["TMPDIR"])
            assert list(Path(env["TMPDIR"]).iterdir()) == []
            return
        await terminal.until("live")
        pid, port = platform_of(env)
        if how == "quit":
            await terminal.press("ctrl+q")
        elif how == "window closed":
            terminal.hang_up()
        else:
            terminal.process.send_signal(signal.SIGKILL if how == "kill -9" else signal.SIGTERM)
        await terminal.ended()
        await has_ended(pid)
    assert list(Path(env["TMPDIR"]).iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def no_one_lives_in(folder):
    """Wait for the end of every process that was started with this folder for its temporary files."""
    wanted = f"TMPDIR={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fd = os.pidfd_open(int(entry.name))
        except OSError:
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                assert select.select([fd], [], [], 30)[0], f"process {entry.name} lives on"
        except OSError:
            continue
        finally:
            os.close(fd)


async def test_a_crash_report_survives_the_demo(env):
    crashes = Path(env["HOME"], ".local/state/sandtui/crashes")
    async with Terminal([sys.executable, "-c", BREAKING], env) as terminal:
        await terminal.until("live")
        await terminal.press("c")
        async with asyncio.timeout(60):
            while not list(crashes.glob("crash-*.txt")):
                await asyncio.sleep(0.05)
        if terminal.process.returncode is None:
            terminal.process.terminate()
        await terminal.ended()
    (report,) = crashes.iterdir()
    assert "ValueError: on purpose" in report.read_text()
    assert list(Path(env["TMPDIR"]).iterdir()) == []


LEAKING = """
import os, subprocess, sys
from pathlib import Path
from sandtui.local.owned_platform import OwnedPlatform
from sandtui.local.settings import PlatformSettings

platform = OwnedPlatform(PlatformSettings(Path(sys.argv[1]) / "platform", driver="simulated"))
endpoint = platform.start()
# Another process that inherited our end of the pipe, and that outlives us.
fds = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
heir = subprocess.Popen(["sleep", "60"], pass_fds=fds, stdout=subprocess.DEVNULL)
print(endpoint.pid, heir.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs pidfd_open")
async def test_a_platform_ends_with_its_owner_although_another_process_holds_the_pipe(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", LEAKING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        pid, heir = map(int, owner.stdout.readline().split())
        owner.kill()
    try:
        await has_ended(pid)
    finally:
        os.kill(heir, signal.SIGKILL)
    assert tmp_path.exists(), "a directory that is not a scratch directory of ours stays"
