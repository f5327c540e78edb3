"""One command on many real sandboxes, by keys, in a pseudo-terminal."""

import pytest

from sandtui.client import APIClient, Config, CreateSandboxRequest, SandboxClient
from tests.e2e.terminal import RUNNING, Terminal, at_fleet, listed
from tests.e2e.test_dashboard import SANDTUI, environment, leave

HOSTILE = r"printf '\033]0;owned\007\033[2J\033]52;c;b3duZWQ=\007[/]\n'"


@pytest.fixture
def fleet(platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    with SandboxClient(APIClient(config=config), keep_tokens=False) as client:
        made = [
            client.create(
                CreateSandboxRequest(
                    name=f"fan-{number}",
                    docker_image="python:3.11-slim",
                    labels=["e2e-fan"],
                    environment_vars={"NUMBER": str(number)},
                )
            ).id
            for number in range(3)
        ]
        for sandbox_id in made:
            client.wait_for_creation(sandbox_id)
        yield made
        client.bulk_delete(sandbox_ids=made)


async def test_a_command_on_all_marked(platform_process, fleet, tmp_path):
    env = environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)
    async with Terminal(SANDTUI, env) as terminal:
        await terminal.until("live")
        await terminal.press("/")
        await terminal.until("f1 help")
        await terminal.press("#e2e-fan", "enter")
        await terminal.until(at_fleet)
        await terminal.until(lambda text: len(listed(RUNNING, "fan-").findall(text)) == 3)
        await terminal.press("*", "x")
        await terminal.until("Command · 3 sandboxes")
        await terminal.press('echo out; [ "$NUMBER" = 1 ] && echo odd >&2 && exit 4; exit 0', "enter")
        await terminal.until("2 × exit 0   1 × exit 4")
        shown = await terminal.until("+! odd")
        assert "2 identical  exit 0" in shown
        assert "fan-1  exit 4" in shown
        await terminal.press("sleep 61", "enter")
        await terminal.until("◐ 3 running")
        await terminal.press("ctrl+c")
        await terminal.until("‖ 3 cancelled")
        await terminal.press("ps -e -o args | grep -c '[s]leep 61'", "enter")
        await terminal.until("3 identical  exit 1")
        await terminal.press(HOSTILE, "enter")
        await terminal.until("␛]0;owned␇␛[2J␛]52;c;b3duZWQ=␇[/]")
        assert b"owned\x07" not in terminal.raw
        assert b"b3duZWQ=\x07" not in terminal.raw
        await leave(terminal)
