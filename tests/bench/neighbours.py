"""Measures commands in a sandbox beside one that takes all it can get: cores, output, processes.

``python -m tests.bench.neighbours [NAME...]``. The client shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.local import BODY
from tests.bench.report import drifted
from tests.bench.sandboxes import Caller, bar_row
from tests.conftest import PlatformProcess, start_platform

TURNS = 3
COMMANDS = 40
SETTLE_SECONDS = 3.0
SLOWER = 1.5
CORES = os.cpu_count() or 1
NOISE = {
    "burns its cores": "for n in $(seq 8); do (while :; do :; done) & done; wait",
    "floods its output": "yes",
    "forks all the time": "while :; do /bin/true & /bin/true & /bin/true & wait; done",
    "forks up to its limit": "f() { f | f & }; f; sleep 600",
    "writes files": "while :; do head -c 200M /dev/zero > /workspace/f; rm /workspace/f; done",
}


class Box:
    """A sandbox and the token for its commands."""

    def __init__(self, caller: Caller, box: str, token: dict[str, str]) -> None:
        self._caller = caller
        self.id = box
        self._path = f"/{token['user_ns']}/{token['job_id']}/exec"
        self._token = token["token"]

    @classmethod
    async def create(cls, caller: Caller, **more: object) -> Box:
        """Create one and wait until it runs."""
        box = str((await caller.call("POST", "/sandbox", {**BODY, **more}))["id"])
        await caller.running([box])
        return cls(caller, box, await caller.call("POST", f"/sandbox/{box}/auth"))

    async def execute(self, command: str, timeout: float = 300) -> dict[str, object]:
        """Run a command."""
        body = {"command": command, "timeout": timeout}
        reply: dict[str, object] = await self._caller.request("POST", self._path, body, self._token)
        return reply

    async def latency(self) -> float:
        """Return the median milliseconds of a command."""
        took = []
        for _ in range(COMMANDS):
            start = time.perf_counter()
            assert (await self.execute("echo 1"))["stdout"] == "1\n"
            took.append((time.perf_counter() - start) * 1000)
        return statistics.median(took)


@contextlib.asynccontextmanager
async def noise(caller: Caller, command: str) -> AsyncIterator[None]:
    """Have a sandbox with all cores of the machine run a command."""
    box = await Box.create(caller, cpu_cores=CORES)
    running = asyncio.ensure_future(box.execute(command, 600))
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        yield
    finally:
        await caller.delete([box.id])
        # It is cut off, which the request reports.
        await asyncio.wait([running])
        running.exception()


async def beside(caller: Caller, box: Box, command: str) -> tuple[list[float], list[float]]:
    """Return the milliseconds of a command without and with noise, in turns."""
    quiet, noisy = [], []
    for _ in range(TURNS):
        quiet.append(await box.latency())
        async with noise(caller, command):
            noisy.append(await box.latency())
        await asyncio.sleep(SETTLE_SECONDS)
    return quiet, noisy


async def measure(platform: PlatformProcess, names: list[str]) -> None:
    """Measure one kind of noise after the other."""
    caller = Caller(platform)
    box = await Box.create(caller)
    await box.latency()
    for name in names:
        quiet, noisy = await beside(caller, box, NOISE[name])
        alone, among = statistics.median(quiet), statistics.median(noisy)
        told = f"{alone:.1f} ms alone, {among:.1f} ms"
        bar_row(f"a command beside one that {name}", among / alone, SLOWER, "x", told, drifted(min(quiet), max(quiet)))


def main() -> None:
    """Start a platform, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        process, platform = start_platform(Path(name, "state"))
        print(f"driver: {platform.driver}")
        try:
            asyncio.run(measure(platform, sys.argv[1:] or list(NOISE)))
        finally:
            process.terminate()
            process.wait(timeout=120)


if __name__ == "__main__":
    main()
