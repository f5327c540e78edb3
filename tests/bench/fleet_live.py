"""The fleet's other bars: a key in a real terminal, the cost of idling, and of a sweep of 10,000.

``python -m tests.bench.fleet_live``
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from sandtui.client import AsyncSandboxClient, Config
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.refresh import PAGE_SIZE, Refresher
from sandtui.fleet.inventory.store import FleetStore
from tests.bench.fleet import spread
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform
from tests.e2e.terminal import Terminal

PROGRAMS = [sys.executable, "-m", "tests.bench.fleet_programs"]
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
KEYS = 40
IDLE_SECONDS = 20.0
SETTLE_SECONDS = 62.0
"""Until no sandbox is younger than a minute: such ages are drawn anew each second, as in any fleet that works."""
MOST_KEY, MOST_IDLE, MOST_SWEEP = 1.25, 1.5, 1.5
MOST_OF_A_CORE, MOST_WRITTEN = 2.0, 20.0
SWEEPS = 7


async def key_to_paint(name: str, rows: int) -> list[float]:
    """Return the milliseconds from writing a key to the terminal until its answer is on the screen."""
    times: list[float] = []
    async with Terminal([*PROGRAMS, name, str(rows)], ENVIRONMENT) as terminal:
        await terminal.until("ready")
        await asyncio.sleep(0.5)
        for turn in range(KEYS):
            typed = turn % 4 + 1
            if typed == 1:
                for back in range(3 if turn else -1, -1, -1):
                    await press(terminal, "\x7f", back)
            times.append(await press(terminal, "7", typed))
    return times


async def press(terminal: Terminal, key: str, length: int) -> float:
    """Press a key; return the milliseconds until the program tells that its text is so long."""
    await asyncio.sleep(0.06)
    start = time.perf_counter()
    terminal.write(key)
    await terminal.until(f"<{length}>")
    return (time.perf_counter() - start) * 1000


def processor(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def idle(command: list[str], environment: dict[str, str], shown: str, settle: float = 4) -> tuple[float, float]:
    """Return the percentage of a core and the kB a second that a program takes while nobody touches it."""
    async with Terminal(command, environment) as terminal:
        await terminal.until(shown)
        await asyncio.sleep(settle)
        before, written = processor(terminal.process.pid), terminal.received
        await asyncio.sleep(IDLE_SECONDS)
        taken = (processor(terminal.process.pid) - before) / IDLE_SECONDS
        return taken * 100, (terminal.received - written) / IDLE_SECONDS / 1000


async def bare_sweep(client: AsyncSandboxClient) -> int:
    """Fetch and validate every page, and keep nothing."""
    page, count = 1, 0
    while True:
        reply = await client.list(page=page, per_page=PAGE_SIZE)
        count += len(reply.sandboxes)
        if not reply.has_next:
            return count
        page += 1


async def sweeps(platform: PlatformProcess) -> tuple[list[float], list[float]]:
    """Return the processor milliseconds of a sweep, and of the bare requests."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    ours: list[float] = []
    bare: list[float] = []
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        store = FleetStore(SystemClock())
        refresher = Refresher(client, store, SystemClock())
        for _ in range(SWEEPS):
            start = time.process_time()
            assert await bare_sweep(client) == 10_000
            middle = time.process_time()
            await refresher.sweep()
            assert len(store) == 10_000
            bare.append((middle - start) * 1000)
            ours.append((time.process_time() - middle) * 1000)
    # The first sweep fills the store; the bar is about those that keep it fresh, and both are told.
    report("the first sweep, into an empty store", ours[0], "ms", note=f"its pages alone {bare[0]:.0f} ms")
    return ours[1:], bare[1:]


async def poll_cost(platform: PlatformProcess) -> float:
    """Return the percentage of a core that the bare requests of an idle dashboard's refresh cost."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        await bare_sweep(client)
        start = time.process_time()
        for _ in range(20):
            await bare_sweep(client)
        one = (time.process_time() - start) / 20
    return one / 2 * 100


async def run(folder: Path) -> None:
    """Measure all."""
    field = await key_to_paint("field", 0)
    for rows in (10_000, 100_000):
        table = await key_to_paint("table", rows)
        ratio = statistics.median(table) / statistics.median(field)
        note = f"{spread(table)} and {spread(field)} ms"
        bar = MOST_KEY if rows == 10_000 else None
        report(f"key to paint, {rows:,} rows, of a field alone", ratio, "x", at_most=bar, note=note)
    process, platform = start_platform(folder / "large", "--driver", "simulated", "--fleet", "10000", "--seed", "7")
    try:
        ours, bare = await sweeps(platform)
    finally:
        process.terminate()
        process.wait(timeout=30)
    ratio = statistics.median(ours) / statistics.median(bare)
    note = f"{spread(ours)} and {spread(bare)} ms"
    report("sweep of 10,000, processor of its pages alone", ratio, "x", at_most=MOST_SWEEP, note=note)
    for fleet in (1_000, 2_000):
        process, platform = start_platform(
            folder / f"idle-{fleet}", "--driver", "simulated", "--fleet", str(fleet), "--seed", "7"
        )
        try:
            requests = await poll_cost(platform)
            remote = {**ENVIRONMENT, "HOME": str(folder), "PRIME_API_KEY": platform.api_key}
            remote["PRIME_API_BASE_URL"] = platform.base_url
            taken, written = await idle([sys.executable, "-m", "sandtui"], remote, "live", SETTLE_SECONDS)
        finally:
            process.terminate()
            process.wait(timeout=30)
        if fleet == 1_000:
            empty, _ = await idle([*PROGRAMS, "clock", "0"], ENVIRONMENT, "ready")
            limit = MOST_IDLE * empty + requests
            note = f"its requests {requests:.2f} %, an empty app with a clock {empty:.2f} %"
        else:
            limit, note = MOST_OF_A_CORE, f"its requests {requests:.2f} %"
            report(f"idle with {fleet:,}, to the terminal", written, "kB/s", at_most=MOST_WRITTEN)
        report(f"idle with {fleet:,}, of a core", taken, "%", at_most=round(limit, 2), note=note)


def main() -> None:
    """Measure all."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()
