"""Measures checkpoints of sandboxes of several sizes, and forks beside as many creates with an upload each.

``python -m tests.bench.checkpoints [MEGABYTES ...] [--forks N]``
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from tests.bench.report import report
from tests.conftest import start_platform

SIZES = (1, 100, 1000)
FORKS = 50
FORKED_MEGABYTES = 100
# What was promised: a sandbox stands still for less than this, in milliseconds.
STANDSTILL = {100: 100.0}
_STOOD = re.compile(r"stood still for (\d+) ms")


def on_disk(directory: Path) -> float:
    """Return the MB that a directory takes."""
    return sum(path.lstat().st_blocks for path in directory.rglob("*")) * 512 / 1e6


async def measure(client: AsyncSandboxClient, megabytes: int) -> None:
    """Take a checkpoint of a sandbox with so many MB, and create one from it."""
    box = (await client.create(CreateSandboxRequest(name="size", docker_image="python:3.11-slim"))).id
    await client.wait_for_creation(box)
    await client.execute_command(box, f"head -c {megabytes * 1_000_000} /dev/urandom > /data/large; sync /data/large")
    began = time.perf_counter()
    taken = await client.wait_for_checkpoint((await client.checkpoint(box)).id)
    report(f"{megabytes:,} MB: checkpoint until durable", time.perf_counter() - began, "s")
    found = _STOOD.findall(await client.get_logs(box))
    report(f"{megabytes:,} MB: the sandbox stands still", float(found[-1]), "ms", at_most=STANDSTILL.get(megabytes))
    began = time.perf_counter()
    copy = (await client.create(CreateSandboxRequest(name="copy", checkpoint_id=taken.id))).id
    await client.wait_for_creation(copy)
    report(f"{megabytes:,} MB: create from it until reachable", time.perf_counter() - began, "s")
    await client.bulk_delete([box, copy])
    await client.delete_checkpoint(taken.id)


async def forks(client: AsyncSandboxClient, count: int, state: Path) -> None:
    """Fork a sandbox, then create as many and upload the same to each."""
    data = os.urandom(FORKED_MEGABYTES * 1_000_000)
    box = (await client.create(CreateSandboxRequest(name="source", docker_image="python:3.11-slim"))).id
    await client.wait_for_creation(box)
    await client.upload_bytes(box, "/data/large", data, "large")
    before, began = on_disk(state), time.perf_counter()
    made = [one.id for one in await client.fork(box, count)]
    await client.bulk_wait_for_creation(made)
    forked = time.perf_counter() - began
    report(f"{count} forks of {FORKED_MEGABYTES} MB", forked, "s")
    report(f"{count} forks: disk", on_disk(state) - before, "MB")
    await client.bulk_delete(made)
    before, began = on_disk(state), time.perf_counter()
    requests = [CreateSandboxRequest(name="peer", docker_image="python:3.11-slim") for _ in range(count)]
    peers = [outcome.unwrap().id async for outcome in client.create_many(requests)]
    await client.bulk_wait_for_creation(peers)
    await asyncio.gather(*(client.upload_bytes(peer, "/data/large", data, "large") for peer in peers))
    uploaded = time.perf_counter() - began
    report(f"{count} creates and uploads", uploaded, "s")
    report(f"{count} creates and uploads: disk", on_disk(state) - before, "MB")
    report("forks beside creates and uploads", forked / uploaded, "times the time")
    await client.bulk_delete([box, *peers])


async def main(words: list[str]) -> None:
    """Run all."""
    count = int(words[words.index("--forks") + 1]) if "--forks" in words else FORKS
    sizes = [int(word) for word in words if word.isdecimal() and (word != str(count) or "--forks" not in words)]
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        state = Path(folder, "state")
        process, platform = start_platform(state)
        try:
            config = Config(api_key=platform.api_key, base_url=platform.base_url)
            async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
                for megabytes in sizes or SIZES:
                    await measure(client, megabytes)
                await forks(client, count, state)
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
