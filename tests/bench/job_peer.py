"""Asks how jobs stand with the official SDK, one by one as it does; prints seconds and requests as one JSON object.

``python job_peer.py FILE`` with the platform in the environment; the file holds pairs of sandbox and job id.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import prime_sandboxes
from prime_sandboxes import AsyncSandboxClient, BackgroundJob

AT_ONCE = 16


def count_requests():
    """Count what goes over the wire."""
    import httpx

    counted = {"requests": 0}
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def counting(self, request):
        counted["requests"] += 1
        return await send(self, request)

    httpx.AsyncHTTPTransport.handle_async_request = counting
    return counted


async def main():
    pairs = json.loads(Path(sys.argv[1]).read_text())
    counted = count_requests()
    gate = asyncio.Semaphore(AT_ONCE)
    async with AsyncSandboxClient() as client:

        async def one(sandbox_id, job_id):
            base = f"/tmp/job_{job_id}"
            job = BackgroundJob(
                job_id=job_id,
                sandbox_id=sandbox_id,
                stdout_log_file=f"{base}.stdout.log",
                stderr_log_file=f"{base}.stderr.log",
                exit_file=f"{base}.exit",
            )
            async with gate:
                return await client.get_background_job(sandbox_id, job)

        # The first round fetches the tokens, which ours keeps too.
        await asyncio.gather(*(one(*pair) for pair in {pair[0]: pair for pair in pairs}.values()))
        counted["requests"] = 0
        start = time.perf_counter()
        statuses = await asyncio.gather(*(one(*pair) for pair in pairs))
        seconds = time.perf_counter() - start
    done = sum(status.completed for status in statuses)
    version = getattr(prime_sandboxes, "__version__", "")
    print(json.dumps({"seconds": seconds, "requests": counted["requests"], "done": done, "version": version}))


asyncio.run(main())
