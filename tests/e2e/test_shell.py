"""A shell inside the dashboard: the real program in a pseudo-terminal, a real shell in a real sandbox."""

import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from tests.e2e.terminal import RUNNING, Terminal, at_fleet, lists
from tests.e2e.test_dashboard import SANDTUI, environment, leave

LEAVE = "\x1d"


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


async def make(platform, name, *, vm):
    async with AsyncSandboxClient(config=Config(api_key=platform.api_key, base_url=platform.base_url)) as client:
        sandbox = await client.create(CreateSandboxRequest(name=name, docker_image="python:3.11-slim", vm=vm))
        await client.wait_for_creation(sandbox.id)
    return sandbox.id


@pytest.mark.parametrize("vm", [False, True], ids=["ssh", "session"])
async def test_a_shell_in_its_pane(platform_process, remote, tmp_path, vm):
    name = f"pane-{'vm' if vm else 'container'}"
    await make(platform_process, name, vm=vm)
    async with Terminal(SANDTUI, remote) as terminal:
        await terminal.until("live")
        await terminal.press("/")
        await terminal.until("f1 help")
        await terminal.press(*name, "enter")
        await terminal.until(lambda text: lists(RUNNING, name)(text) and at_fleet(text))
        await terminal.press("s")
        await terminal.until("ctrl+] detach")
        # Keys that are sandtui's everywhere else go to the shell here: ctrl+p is the command before.
        await terminal.press(*"echo sum-$((40+2)); stty size", "enter")
        await terminal.until("sum-42")
        await terminal.until("32 120")
        await terminal.press(*"echo q?:1", "enter", "\x10", "\x10", "enter")
        await terminal.until(lambda text: text.count("sum-42") == 2)
        await terminal.press(*r"printf '\033]52;c;aGVsbG8=\007\033]0;evil\007\n'; echo ready", "enter")
        await terminal.until("5 characters to your clipboard")
        assert b"\x1b]52" not in terminal.raw, "nothing is copied before the user says so"
        assert b"evil\x07" not in terminal.raw
        await terminal.press(LEAVE)
        await terminal.until("A: allow")
        await terminal.press("q")
        await terminal.until(at_fleet)
        await terminal.press("s")
        await terminal.until("sum-42")
        await terminal.press(*"exit 7", "enter")
        await terminal.until("exited with code 7")
        await terminal.press("q")
        await terminal.until(at_fleet)
        await leave(terminal)
