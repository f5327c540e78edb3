"""Measures what people wait for with real sandboxes: until they run, until they are gone, and what an idle one holds.

``python -m tests.bench.sandboxes``. The client is as small as can be: it shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.local import BODY, agents_of, pss
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform

ROUNDS = 30
MANY = (100, 500)
CONNECTIONS = 16
# The pause between two looks grows with the wait: the platform that is measured has to answer them.
POLL_SECONDS, POLL_SHARE = 0.005, 0.02
PAGE = 100
# What was promised: milliseconds for one, seconds for many, MB.
ONE, ALL, MEMORY, DELETED = 20.0, {100: 1.0, 500: 6.0}, 2.5, {500: 1.5}


class Caller:
    """Requests to a platform over a few connections that are kept."""

    def __init__(self, platform: PlatformProcess) -> None:
        self._host, self._port = platform.base_url.removeprefix("http://").split(":")
        self._key = platform.api_key
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(None)

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call of the control plane and return what it answers."""
        return await self.request(method, f"/api/v1{path}", body, self._key)

    async def request(self, method: str, path: str, body: object, key: str) -> Any:
        """Make a request and return what it is answered."""
        connection = await self._idle.get() or await asyncio.open_connection(self._host, int(self._port))
        reader, writer = connection
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Length: {len(data)}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\r\n"
        )
        writer.write(head.encode() + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(answer.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        text = await reader.readexactly(size)
        assert answer.startswith(b"http/1.1 2"), text
        self._idle.put_nowait(connection)
        return json.loads(text)

    async def create(self) -> str:
        """Ask for a sandbox."""
        return str((await self.call("POST", "/sandbox", BODY))["id"])

    async def running(self, ids: list[str]) -> None:
        """Wait until all of them run."""
        left, began = ids, time.perf_counter()
        while left:
            missing = []
            for start in range(0, len(left), PAGE):
                asked = {"sandbox_ids": left[start : start + PAGE]}
                rows = (await self.call("POST", "/sandbox/status:batchGet", asked))["statuses"]
                assert not [row for row in rows if row["status"] == "ERROR"], rows
                running = {row["sandbox_id"] for row in rows if row["status"] == "RUNNING"}
                missing += [one for one in asked["sandbox_ids"] if one not in running]
            left = missing
            if left:
                await asyncio.sleep(max(POLL_SECONDS, POLL_SHARE * (time.perf_counter() - began)))

    async def delete(self, ids: list[str]) -> None:
        """End all of them."""
        assert not (await self.call("DELETE", "/sandbox", {"sandbox_ids": ids}))["failed"]


def bar_row(name: str, value: float, bar: float | None, unit: str, more: str = "", void: str = "") -> None:
    """Print one line: what was measured, what was promised, and whether it holds."""
    report(name, value, unit, at_most=bar, note=more, void=void)


async def one(caller: Caller) -> None:
    """Measure one after the other."""
    took = []
    for turn in range(ROUNDS + 1):
        start = time.perf_counter()
        box = await caller.create()
        while (await caller.call("GET", f"/sandbox/{box}"))["status"] != "RUNNING":
            await asyncio.sleep(0.0005)
        if turn:
            took.append((time.perf_counter() - start) * 1000)
        await caller.delete([box])
    bar_row("create to RUNNING, median", statistics.median(took), ONE, "ms", f"{min(took):.1f} to {max(took):.1f}")


async def many(caller: Caller, platform: PlatformProcess, count: int) -> None:
    """Measure a fleet that is made at once and deleted at once."""
    start = time.perf_counter()
    boxes = await asyncio.gather(*(caller.create() for _ in range(count)))
    accepted = time.perf_counter() - start
    await caller.running(boxes)
    bar_row(f"{count}, all RUNNING", time.perf_counter() - start, ALL.get(count), "s", f"accepted {accepted:.2f} s")
    held = [pss(agent) / 1024 for agent in agents_of(platform)]
    more = f"median {statistics.median(held):.2f}, platform {pss(Path('/proc', str(platform.pid))) / 1024:.0f}"
    # All of them and what they are forks of: what is shared counts once.
    bar_row(f"memory of each of {count}", sum(held) / count, MEMORY, "MB", more)
    start = time.perf_counter()
    await caller.delete(boxes)
    bar_row(f"{count}, all deleted", time.perf_counter() - start, DELETED.get(count), "s")


async def measure(platform: PlatformProcess, counts: tuple[int, ...]) -> None:
    """Measure one platform."""
    caller = Caller(platform)
    await one(caller)
    for count in counts:
        await many(caller, platform, count)


def main() -> None:
    """Start a platform, measure, stop it; other numbers of sandboxes may be given."""
    counts = tuple(int(word) for word in sys.argv[1:]) or MANY
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        process, platform = start_platform(Path(name, "state"))
        print(f"driver: {platform.driver}")
        try:
            asyncio.run(measure(platform, counts))
        finally:
            process.terminate()
            process.wait(timeout=120)


if __name__ == "__main__":
    main()
