"""The jobs of one sandbox as they are now, for scripts: one command, nothing remembered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.jobs.job import Job
from sandtui.fleet.jobs.poll import POLL_TIMEOUT, new_delimiter, parse_poll, poll_command


async def scan_jobs(client: AsyncSandboxClient, sandbox_id: str) -> list[Job]:
    """Return the jobs of a sandbox, the latest first; at most a hundred.

    Raises:
        SandboxClientError: it could not be asked, or its answer was cut off.
    """
    delimiter = new_delimiter()
    response = await client.execute_command(sandbox_id, poll_command(delimiter), timeout=POLL_TIMEOUT)
    found = await asyncio.to_thread(parse_poll, response.stdout, delimiter, sandbox_id, datetime.now(UTC))
    if not found.complete:
        reason = response.stderr.strip()[-200:] or f"exit code {response.exit_code}"
        raise SandboxClientError(f"job scan failed: {reason}", sandbox_id=sandbox_id)
    return list(found.jobs)
