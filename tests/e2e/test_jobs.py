"""A background job and a forward in the real program, against a real sandbox."""

import asyncio
import re
import subprocess

from tests.e2e.terminal import Terminal, at_fleet
from tests.e2e.test_dashboard import SANDTUI, environment, leave, remote

__all__ = ["environment", "remote"]


async def test_a_job_is_started_seen_stopped_and_its_port_forwarded(remote):
    made = [*SANDTUI, "create", "python", "--set", "name=jobs-e2e", "--wait"]
    subprocess.run(made, env=remote, check=True, capture_output=True)
    async with Terminal(SANDTUI, remote) as terminal:
        await terminal.until("jobs-e2e")
        await terminal.press("/")
        await terminal.until("f1 help")
        await terminal.press(*"jobs-e2e", "enter")
        await terminal.until(at_fleet)
        await terminal.press("b")
        await terminal.until("Background jobs")
        await terminal.press("n")
        await terminal.until("New job in jobs-e2e")
        await terminal.press(*"echo it runs; cd /tmp; echo forwarded > x; python3 -m http.server 8123", "enter")
        await terminal.until(lambda text: "1 running" in text and "it runs" in text)
        await terminal.press("escape")
        await terminal.until("Sandboxes 1")
        await terminal.press("p")
        await terminal.until("Local port forwards (SSH)")
        await terminal.press("N")
        await terminal.until("Forward port of jobs-e2e")
        await terminal.press(*"8123 0", "enter")
        await terminal.until("from 1 to 65535")
        await terminal.press("escape")
        await terminal.until("N forward")
        await terminal.press("N")
        await terminal.until("Forward port of jobs-e2e")
        await terminal.press(*"8123", "enter")
        shown = await terminal.until(lambda text: re.search(r"localhost:8123 .* open ", text) or "is taken" in text)
        if "is taken" not in shown:
            reader, writer = await asyncio.open_connection("127.0.0.1", 8123)
            writer.write(b"GET /x HTTP/1.0\r\n\r\n")
            assert b"forwarded" in await reader.read(-1)
            writer.close()
        await terminal.press("escape")
        await terminal.until("Sandboxes 1")
        await terminal.press("b")
        await terminal.until("1 running")
        await terminal.press("K")
        await terminal.until("Kill job")
        await asyncio.sleep(0.3)
        await terminal.press("y")
        await terminal.until("0 running  1 failed")
        await leave(terminal)
