"""Measures the local platform: latencies, throughput, memory; each as a ratio against a peer of the same run.

``python -m tests.bench.local``
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.bench.report import report
from tests.bench.round_trips import subprocess_true
from tests.conftest import PlatformProcess, start_platform

MEGABYTES = 100
AT_ONCE = 200
ROUNDS = 5
BODY = {"name": "bench", "docker_image": "python:3.11-slim", "timeout_minutes": 60}
# Sends as much as it is asked for, as fast as it can.
SOURCE = """
import socketserver, sys
class H(socketserver.BaseRequestHandler):
    def handle(self):
        left = int(self.request.recv(32).strip() or 0)
        block = b"z" * 1048576
        while left > 0:
            self.request.sendall(block[:left])
            left -= len(block)
class S(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
S(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


async def timed(work: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    """Return the seconds of some rounds, after one that does not count."""
    await work()
    values = []
    for _ in range(rounds):
        start = time.perf_counter()
        await work()
        values.append(time.perf_counter() - start)
    return values


class Bench:
    """One platform and a client."""

    def __init__(self, platform: PlatformProcess, http: httpx.AsyncClient) -> None:
        self.platform = platform
        self.http = http

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """Make a call of the control plane."""
        reply = await self.http.request(method, f"{self.platform.base_url}/api/v1{path}", **options)
        reply.raise_for_status()
        return reply.json()

    async def create(self, **more: Any) -> str:
        """Make a sandbox and wait until it runs."""
        box: str = (await self.call("POST", "/sandbox", json={**BODY, **more}))["id"]
        while (await self.call("GET", f"/sandbox/{box}"))["status"] != "RUNNING":
            await asyncio.sleep(0.001)
        return box

    async def gateway(self, box: str) -> tuple[str, dict[str, str]]:
        """Return a sandbox' base address and headers."""
        token = await self.call("POST", f"/sandbox/{box}/auth")
        base = f"{token['gateway_url']}/{token['user_ns']}/{token['job_id']}"
        return base, {"authorization": f"Bearer {token['token']}"}


async def measure(bench: Bench, folder: Path) -> None:
    """Measure a platform with real sandboxes."""
    created = await timed(bench.create, 20)
    report("create to RUNNING over httpx, median", statistics.median(created) * 1000, "ms")
    start = time.perf_counter()
    many = await asyncio.gather(*(bench.create() for _ in range(50)))
    report("creates, 50 at once", 50 / (time.perf_counter() - start), "per s")
    box = many[0]
    base, headers = await bench.gateway(box)

    async def execute() -> None:
        reply = await bench.http.post(f"{base}/exec", json={"command": "echo 1"}, headers=headers)
        assert reply.json()["stdout"] == "1\n"

    ours, peer = await timed(execute, 100), await timed(subprocess_true, 100)
    ours += await timed(execute, 100)
    peer += await timed(subprocess_true, 100)
    one, other = statistics.median(ours), statistics.median(peer)
    report("exec, of a bare subprocess' time", one / other, "x", note=f"{1 / one:.0f} round trips per s")
    await transfers(bench, base, headers, folder)
    await proxy(bench)
    await memory(bench, many)


async def transfers(bench: Bench, base: str, headers: dict[str, str], folder: Path) -> None:
    """Measure uploads and downloads against a file copy and a static server."""
    source, target = folder / "source", folder / "target"
    source.write_bytes(os.urandom(1024 * 1024) * MEGABYTES)

    async def copy() -> None:
        def work() -> None:
            shutil.copyfile(source, target)
            with target.open("rb") as file:
                os.fsync(file.fileno())

        await asyncio.to_thread(work)

    async def upload() -> None:
        command = ["-F", f"file=@{source}", f"{base}/upload?path=/workspace/big"]
        await curl(headers, *command)

    async def download() -> None:
        await curl(headers, "-o", str(target), f"{base}/download?path=/workspace/big")

    copied = min(await timed(copy, ROUNDS))
    up = min(await timed(upload, ROUNDS))
    down = min(await timed(download, ROUNDS))
    with static_server(folder) as address:

        async def static() -> None:
            await curl({}, "-o", str(target), f"{address}/source")

        plain = min(await timed(static, ROUNDS))
    report("upload, of a file copy's time", up / copied, "x", note=f"{MEGABYTES / up:.0f} MB/s")
    report("download, of a file copy's time", down / copied, "x", note=f"{MEGABYTES / down:.0f} MB/s")
    report("download, of curl from a static server", down / plain, "x")


async def curl(headers: dict[str, str], *arguments: str) -> None:
    """Run curl."""
    flags = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    process = await asyncio.create_subprocess_exec(
        "curl", "-sSf", "--noproxy", "*", *flags, *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0


@contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """Serve a folder with the standard library's server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Wait until something listens."""
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("nothing listens")


async def proxy(bench: Bench) -> None:
    """Measure bytes through an exposed port against the same server outside a sandbox."""
    box = await bench.create(network_access=False)
    base, headers = await bench.gateway(box)
    files = {"file": ("s", SOURCE.encode())}
    await bench.http.post(f"{base}/upload?path=/tmp/s.py", files=files, headers=headers)
    run = {"command": "nohup python3 /tmp/s.py 8000 > /dev/null 2>&1 &"}
    await bench.http.post(f"{base}/exec", json=run, headers=headers)
    exposed = await bench.call("POST", f"/sandbox/{box}/expose", json={"port": 8000, "protocol": "TCP"})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        direct_port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SOURCE, str(direct_port)])
    try:
        wait_for(direct_port)
        wait_for(exposed["external_port"])

        async def take(port: int) -> None:
            await asyncio.to_thread(drain, port, 4 * MEGABYTES * 1024 * 1024)

        through = min(await timed(lambda: take(exposed["external_port"]), ROUNDS))
        direct = min(await timed(lambda: take(direct_port), ROUNDS))
    finally:
        server.terminate()
        server.wait()
    note = f"{4 * MEGABYTES / through:.0f} MB/s"
    report("an exposed port, of a direct connection", through / direct, "x", note=note)


def drain(port: int, size: int) -> None:
    """Ask for bytes and take them."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"{size}\n".encode())
        left = size
        while left:
            data = sock.recv(1024 * 1024)
            assert data
            left -= len(data)


async def memory(bench: Bench, many: list[str]) -> None:
    """Bring up as many sandboxes as are promised and look at what they cost."""
    start = time.perf_counter()
    more = AT_ONCE - len(many)
    for _ in range(0, more, 25):
        many += await asyncio.gather(*(bench.create() for _ in range(25)))
    seconds = time.perf_counter() - start
    report(f"creates, up to {len(many)}, 25 at once", more / seconds, "per s")
    agents = [pss(agent) for agent in agents_of(bench.platform)]
    report("memory of an idle sandbox, median", statistics.median(agents) / 1024, "MB")
    platform = pss(Path("/proc", str(bench.platform.pid)))
    report("memory of the platform with them", platform / 1024, "MB")


def agents_of(platform: PlatformProcess) -> list[Path]:
    """Return the agents of a platform and what they are forks of, each as its directory in /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == platform.pid and b"sandtui/local/agent/__main__.py" in (entry / "cmdline").read_bytes():
                    found.append(entry)
            except OSError:
                continue
    return found


def pss(process: Path) -> int:
    """Return the kilobytes that a process holds, its part of shared pages included."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


async def simulated(bench: Bench) -> None:
    """Measure a made-up fleet of 100,000."""

    async def page() -> None:
        await bench.call("GET", "/sandbox", params={"per_page": 100, "page": 500})

    async def search() -> None:
        await bench.call("GET", "/sandbox", params={"per_page": 100, "status": "RUNNING", "labels": "rl"})

    async def batch() -> None:
        await bench.call("POST", "/sandbox/status:batchGet", json={"sandbox_ids": ids})

    rows = await bench.call("GET", "/sandbox", params={"per_page": 100})
    ids = [one["id"] for one in rows["sandboxes"]]
    assert rows["total"] == 100_000
    for name, work in (("a page of 100", page), ("a filtered page of 100", search), ("a batch of 100 statuses", batch)):
        report(f"100,000 simulated: {name}", statistics.median(await timed(work, 20)) * 1000, "ms")


def main() -> None:
    """Start the platforms, measure, stop them."""
    for options, work in (((), measure), (("--driver", "simulated", "--fleet", "100000"), None)):
        with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
            start = time.perf_counter()
            process, platform = start_platform(Path(name, "state"), *options)
            print(f"driver: {platform.driver}, up after {time.perf_counter() - start:.2f} s")

            async def run(platform: PlatformProcess, work: Any, folder: Path) -> None:
                key = {"authorization": f"Bearer {platform.api_key}"}
                async with httpx.AsyncClient(headers=key, timeout=120) as http:
                    bench = Bench(platform, http)
                    await (simulated(bench) if work is None else work(bench, folder))

            try:
                asyncio.run(run(platform, work, Path(name)))
            finally:
                process.terminate()
                process.wait(timeout=120)


if __name__ == "__main__":
    main()
