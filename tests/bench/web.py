"""The dashboard in a browser: what it sends, how quick keys are, and what each tab takes.

``python -m tests.bench.web``; Chromium is asked too, if it is installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from sandtui.terminal import Emulation, TerminalText
from tests.bench.fleet_live import IDLE_SECONDS, SETTLE_SECONDS
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform
from tests.web.chromium import chromium, program

COLUMNS, LINES = 120, 36
FLEET, KEYS, WATCHERS = 2_000, 100, 7
MOST_SENT, MOST_MS = 5.0, 40.0
PAUSE_SECONDS = 0.12
SHOWN = "live"

STOPWATCH = """
window.milliseconds = [];
addEventListener("keydown", () => {
  const start = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => window.milliseconds.push(performance.now() - start));
  });
  seen.observe(document.documentElement, { attributes: true, attributeFilter: ["data-frames"] });
}, true);
"""
"""Measures in the page from each key to the frame that is painted after its answer."""


class CountedConnection(ClientConnection):
    """A connection that counts what comes through the socket, compressed as it is."""

    received = 0
    """Bytes of the socket."""
    unpacked = 0
    """Bytes of output."""

    def data_received(self, data: bytes) -> None:
        """Count and pass on."""
        self.received += len(data)
        super().data_received(data)


class Page:
    """What a page does: log in once, and open tabs."""

    def __init__(self, address: str) -> None:
        self._base, _, self._token = address.partition("/#token=")
        self._cookie = self._key = ""

    async def log_in(self) -> None:
        """Use the address up."""
        async with httpx.AsyncClient(base_url=self._base, headers={"origin": self._base}, trust_env=False) as http:
            response = await http.post("/login", json={"secret": self._token})
            self._key = response.raise_for_status().json()["key"]
            self._cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())

    @asynccontextmanager
    async def tab(self, name: str, choice: str = "") -> AsyncIterator[CountedConnection]:
        """Open a tab."""
        headers = {"Cookie": self._cookie, "Origin": self._base}
        address = self._base.replace("http", "ws", 1) + "/session"
        async with connect(
            address, additional_headers=headers, create_connection=CountedConnection, max_size=None, proxy=None
        ) as socket:
            hello = {"key": self._key, "tab": name, "columns": COLUMNS, "lines": LINES, "as": choice}
            await socket.send(json.dumps(hello))
            assert isinstance(socket, CountedConnection)
            yield socket


async def shows(socket: ClientConnection, text: str) -> None:
    """Read until the screen shows a text."""
    terminal = Emulation(COLUMNS, LINES)
    screen = TerminalText(terminal)
    async with asyncio.timeout(120):
        while not any(text in screen.plain(line) for line in range(screen.top, screen.end)):
            if isinstance(data := await socket.recv(), bytes):
                terminal.feed(data)


async def idle(socket: CountedConnection, seconds: float) -> None:
    """Read for some time."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            data = await asyncio.wait_for(socket.recv(), left)
        except TimeoutError:
            return
        socket.unpacked += len(data)


async def key_to_message(socket: CountedConnection) -> list[float]:
    """Return the milliseconds from sending each key until output comes."""
    times = []
    for turn in range(KEYS):
        await idle(socket, PAUSE_SECONDS)
        start = time.perf_counter()
        await socket.send(b"k" if turn % 2 else b"j")
        while not isinstance(await socket.recv(), bytes):
            pass
        times.append((time.perf_counter() - start) * 1000)
    return times


async def key_to_paint(address: str) -> list[float]:
    """Return the milliseconds from each key in Chromium until the frame with its answer is painted."""
    async with chromium() as browser:
        tab = await browser.open(address)
        await tab.shows(SHOWN)
        await tab.evaluate(STOPWATCH)
        for turn in range(KEYS):
            await tab.key("k" if turn % 2 else "j")
            await tab.until(f"window.milliseconds.length > {turn}")
            await asyncio.sleep(PAUSE_SECONDS)
        found: list[float] = await tab.evaluate("window.milliseconds")
        return found


def resident(pid: int) -> float:
    """Return the megabytes of memory that a process takes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def percentile(times: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(times, n=20)[-1]


@asynccontextmanager
async def serving(folder: Path, platform: PlatformProcess) -> AsyncIterator[tuple[Any, str]]:
    """Run ``sandtui web``; yield its process and address."""
    environment = {**os.environ, "HOME": str(folder), "PRIME_API_KEY": platform.api_key}
    environment["PRIME_API_BASE_URL"] = platform.base_url
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandtui", "web", "--no-open", stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def measure(folder: Path, platform: PlatformProcess) -> None:
    """Measure all on one platform."""
    async with serving(folder, platform) as (process, address):
        alone = resident(process.pid)
        page = Page(address)
        await page.log_in()
        async with page.tab("first") as first:
            await shows(first, SHOWN)
            await idle(first, SETTLE_SECONDS)
            before, output = first.received, first.unpacked
            await idle(first, IDLE_SECONDS)
            sent = (first.received - before) / IDLE_SECONDS / 1000
            note = f"{(first.unpacked - output) / IDLE_SECONDS / 1000:.2f} kB/s before compression"
            report(f"idle with {FLEET:,}, over the WebSocket", sent, "kB/s", at_most=MOST_SENT, note=note)
            times = await key_to_message(first)
            note = f"median {statistics.median(times):.1f}, most {max(times):.1f} ms"
            report(
                "key to the output of its frame, 95th percentile", percentile(times), "ms", at_most=MOST_MS, note=note
            )
            one = resident(process.pid)
            async with AsyncExitStack() as tabs:
                for number in range(WATCHERS):
                    await shows(await tabs.enter_async_context(page.tab(f"watcher {number}", "watch")), SHOWN)
                more = (resident(process.pid) - one) / WATCHERS
            note = f"the server alone {alone:.0f} MB, with one tab {one:.0f} MB"
            report("memory of the server for a further tab", more, "MB", note=note)
            (dashboard,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            report("memory of a session's dashboard", resident(int(dashboard)), "MB", note=f"fleet of {FLEET:,}")
    if program() is None:
        return
    async with serving(folder, platform) as (_, address):
        times = await key_to_paint(address)
        note = f"median {statistics.median(times):.1f}, most {max(times):.1f} ms"
        report("key to painted frame in Chromium, 95th", percentile(times), "ms", at_most=MOST_MS, note=note)


def main() -> None:
    """Measure all."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        process, platform = start_platform(
            Path(folder, "platform"), "--driver", "simulated", "--fleet", str(FLEET), "--seed", "7"
        )
        try:
            asyncio.run(measure(Path(folder), platform))
        finally:
            process.terminate()
            process.wait(timeout=30)


if __name__ == "__main__":
    main()
