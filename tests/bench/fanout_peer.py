"""``true`` in many sandboxes, once by one library in a process of its own; prints one JSON object.

``python fanout_peer.py fan_out|gather FILE`` with the platform in the environment; ``FILE`` holds the ids, one a line.
``fan_out`` is ours, bounded and with its answers folded; ``gather`` is the official SDK's client under
``asyncio.gather``, as its guide's readers write it. ``first`` includes the tokens of all gateways; ``again`` does not.
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

ROUNDS = 5


async def fan_out(ids):
    from sandtui.client import AsyncSandboxClient
    from sandtui.client.models import Sandbox
    from sandtui.clock import SystemClock
    from sandtui.fleet.commands.fanout import FanOut, group
    from sandtui.fleet.inventory.row import Row

    async with AsyncSandboxClient() as client:
        rows = [Row.of(Sandbox(id=each, name=each, status="RUNNING"), 1) for each in ids]

        async def once():
            work = FanOut("true", rows, client, SystemClock(), timeout=60)
            await work.run()
            (same,) = group(work.targets)
            assert len(same.targets) == len(ids) and same.answer.exit_code == 0

        return await measure(once)


async def gather(ids):
    from prime_sandboxes import AsyncSandboxClient

    async with AsyncSandboxClient() as client:

        async def once():
            results = await asyncio.gather(*[client.execute_command(each, "true", timeout=60) for each in ids])
            assert all(result.exit_code == 0 for result in results)

        return await measure(once)


async def measure(once):
    times = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        await once()
        times.append(time.perf_counter() - start)
    return {"first": times[0], "again": statistics.median(times[1:]), "worst": max(times[1:])}


def main():
    ids = Path(sys.argv[2]).read_text().split()
    print(json.dumps(asyncio.run({"fan_out": fan_out, "gather": gather}[sys.argv[1]](ids))))


if __name__ == "__main__":
    main()
