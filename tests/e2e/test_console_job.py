"""A command of a console is stopped in a real sandbox before it begins again as a job there."""

import asyncio

import pytest

from sandtui.client import AsyncSandboxClient, Config
from sandtui.clock import SystemClock
from sandtui.fleet.commands.console import Console
from sandtui.fleet.commands.console_run import RunState
from tests.e2e.test_shell import make

GIVE_UP_SECONDS = 30
COMMAND = "echo begun >> /tmp/begun; sleep 4321"


@pytest.mark.parametrize("way", ["exec", "ssh", "session"])
async def test_what_is_stopped_does_not_run_beside_its_job(platform_process, way):
    sandbox_id = await make(platform_process, f"job-{way}", vm=way == "session")
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config) as client, asyncio.timeout(GIVE_UP_SECONDS):
        console = Console(client, sandbox_id, SystemClock(), vm=way == "session")

        async def said(command):
            return (await client.execute_command(sandbox_id, command)).stdout.split()

        async def sleepers():
            look = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done 2>/dev/null | grep -c '^sleep 4321'"
            return int((await said(look))[0])

        opened = asyncio.create_task(console.keep_open()) if way == "ssh" else None
        while way == "ssh" and not console.live:
            await asyncio.sleep(0.01)
        run = asyncio.create_task(console.run(COMMAND, 60))
        while await sleepers() != 1:
            await asyncio.sleep(0.05)
        run.cancel()
        await console.until_idle()
        assert console.runs[-1].state is RunState.CANCELLED
        while await sleepers():
            await asyncio.sleep(0.05)
        await console.start_job(COMMAND)
        while await sleepers() != 1:
            await asyncio.sleep(0.05)
        assert await said("cat /tmp/begun") == ["begun"] * 2
        if opened is not None:
            opened.cancel()
            await asyncio.gather(opened, return_exceptions=True)
        # The platform is shared: what runs on there would be in the lists of other tests.
        await client.delete(sandbox_id)
