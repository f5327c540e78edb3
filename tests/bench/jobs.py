"""The jobs of a fleet, the end of a growing log and a forwarded port, each beside its peer: ``make bench``.

The peer of the jobs is the official SDK's ``get_background_job``, asked for each job as its users do; that of the
forward is ``ssh -L`` where OpenSSH is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import httpx

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from sandtui.client.flows.jobs import launch_script
from sandtui.client.models.jobs import BackgroundJob
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.board import JobBoard
from sandtui.fleet.jobs.job import JobState
from sandtui.fleet.jobs.log_window import LogWindow, reader_of
from sandtui.fleet.ports.forward import Direction, ForwardSpec, ForwardState
from sandtui.fleet.ports.forwards import ForwardBoard
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform

ROOT = Path(__file__).parents[2]
SANDBOXES, JOBS_EACH = 200, 5
SDKS = ("0.2.32", "0.5.1")
LOG_GROWTHS, LOG_LINES = 40, 25
MEGABYTES = 200
LEAST_FEWER = 10


class Counted(httpx.AsyncHTTPTransport):
    """Counts requests and the bytes of their replies."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self.received = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return await super().handle_async_request(request)


async def make_fleet(client: AsyncSandboxClient, count: int) -> list[str]:
    """Make some sandboxes and wait until all run."""
    gate = asyncio.Semaphore(16)

    async def one(number: int) -> str:
        async with gate:
            made = await client.create(CreateSandboxRequest(name=f"jobs-{number}", docker_image="python:3.11-slim"))
            await client.wait_for_creation(made.id)
            return made.id

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def start_jobs(client: AsyncSandboxClient, sandbox_ids: list[str]) -> list[tuple[str, str]]:
    """Start five jobs in each: one runs on, the others are done at once."""
    gate = asyncio.Semaphore(16)
    pairs = []

    async def one(place: int, sandbox_id: str) -> None:
        scripts = []
        for number in range(JOBS_EACH):
            job_id = f"{place:04x}{number:04x}"
            pairs.append((sandbox_id, job_id))
            command = "echo step 1/9; sleep 3000" if number == 0 else "echo done"
            scripts.append(launch_script(BackgroundJob.of(sandbox_id, job_id), command, None, None))
        async with gate:
            reply = await client.execute_command(sandbox_id, "\n".join(f"( {script} )" for script in scripts))
            assert reply.exit_code == 0, reply

    await asyncio.gather(*(one(place, each) for place, each in enumerate(sandbox_ids)))
    return pairs


async def bench_jobs(platform: PlatformProcess, folder: Path) -> None:
    """Ask for all jobs of the fleet, ours and the SDKs' in turns."""
    transport = Counted()
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    async with AsyncSandboxClient(config=config, transport=transport, keep_tokens=False) as client:
        sandbox_ids = await make_fleet(client, SANDBOXES)
        pairs = await start_jobs(client, sandbox_ids)
        (folder / "pairs").write_text(json.dumps(pairs))
        clock = SystemClock()
        store = FleetStore(clock)
        store.apply([await client.get(sandbox_id) for sandbox_id in sandbox_ids])

        async def ours() -> tuple[float, int, JobBoard]:
            board = JobBoard(client, store, History(store, clock), clock)
            before, start = transport.requests, time.perf_counter()
            await board.poll(sandbox_ids)
            return time.perf_counter() - start, transport.requests - before, board

        while True:
            _, _, board = await ours()
            if sum(job.state is JobState.DONE for job in board.jobs.values()) == SANDBOXES * (JOBS_EACH - 1):
                break
        print(f"{SANDBOXES * JOBS_EACH:,} jobs in {SANDBOXES} sandboxes, a refresh of all; {platform.driver}")
        for version in SDKS:
            python = ROOT / ".interop" / version / "bin" / "python"
            if not python.exists():
                print(f"  SDK {version} is not installed: run `make .interop/{version}/.done`")
                continue
            mine, theirs = [], []
            for turn in range(2):
                for who in ("ours", "peer") if turn == 0 else ("peer", "ours"):
                    if who == "ours":
                        seconds, requests, board = await ours()
                        assert len(board.jobs) == len(pairs) and not board.problems, board.problems
                        mine.append((seconds, requests))
                    else:
                        theirs.append(await asyncio.to_thread(ask_sdk, python, platform, folder))
            assert all(reply["done"] == SANDBOXES * (JOBS_EACH - 1) for reply in theirs), theirs
            seconds = statistics.median(each[0] for each in mine)
            peer = statistics.median(reply["seconds"] for reply in theirs)
            fewer = theirs[0]["requests"] / mine[0][1]
            note = f"{mine[0][1]:,} and {theirs[0]['requests']:,}"
            report(f"refresh, requests fewer than SDK {version}", fewer, "x", at_least=LEAST_FEWER, note=note)
            note = f"{seconds:.2f} and {peer:.2f} s"
            report(f"refresh, speed of SDK {version}", peer / seconds, "x", at_least=1, note=note)
        await client.bulk_delete(sandbox_ids=sandbox_ids[:100])
        await client.bulk_delete(sandbox_ids=sandbox_ids[100:])


def ask_sdk(python: Path, platform: PlatformProcess, folder: Path) -> dict[str, float]:
    """Have the SDK ask for each job."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PRIME_API_KEY": platform.api_key,
        "PRIME_API_BASE_URL": platform.base_url,
    }
    command = [str(python), str(ROOT / "tests" / "bench" / "job_peer.py"), str(folder / "pairs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    reply: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return reply


async def bench_log(client: AsyncSandboxClient, sandbox_id: str) -> None:
    """Follow a log of 5 GB that grows, and count what is read for what is shown."""
    path = "/tmp/job_0a1b2c3d.stdout.log"
    line = "step %06d  loss 1.9312  reward 0.412  tok/s 18,220"
    await client.execute_command(sandbox_id, f"truncate -s 5000000000 {path}; printf '\\n' >> {path}")
    window = LogWindow(reader_of(client, sandbox_id, path))
    await window.read_end()
    first, shown = window.fetched, 0
    for turn in range(LOG_GROWTHS):
        text = "\\n".join(line % (turn * LOG_LINES + number) for number in range(LOG_LINES))
        await client.execute_command(sandbox_id, f"printf '{text}\\n' >> {path}")
        growth = await window.read_more()
        shown += sum(len(each) + 1 for each in window.lines[-growth.after :])
    assert shown == LOG_GROWTHS * LOG_LINES * (len(line % 0) + 1), shown
    follow = window.fetched - first
    report(f"the end of a log of {window.total / 1e9:.1f} GB, read", first / 1e3, "kB")
    note = f"{follow:,} bytes for {shown:,}"
    report("  then read, of the new lines shown", follow / shown, "x", note=note)


@contextlib.asynccontextmanager
async def source_in(client: AsyncSandboxClient, sandbox_id: str) -> AsyncIterator[int]:
    """Serve zeros on a port in the sandbox."""
    # Whoever only looks whether the way is open goes at once: the source must outlive that.
    script = (
        "import socket\ns=socket.create_server(('127.0.0.1',7777))\nb=bytes(1<<16)\n"
        f"while 1:\n c,_=s.accept()\n try:\n  for _ in range({MEGABYTES * 1_000_000} // (1<<16)+1): c.sendall(b)\n"
        " except OSError: pass\n c.close()\n"
    )
    await client.upload_bytes(sandbox_id, "/tmp/source.py", script.encode())
    await client.start_background_job(sandbox_id, "python3 /tmp/source.py")
    ready = "for i in $(seq 100); do grep -q ':1E61 ' /proc/net/tcp && exit 0; sleep 0.1; done; exit 1"
    assert (await client.execute_command(sandbox_id, ready)).exit_code == 0
    yield 7777


async def drain(port: int) -> float:
    """Return the MB a second that come out of a port."""

    def read() -> float:
        start, total = time.perf_counter(), 0
        with socket.create_connection(("127.0.0.1", port)) as link:
            while part := link.recv(1 << 18):
                total += len(part)
        assert total >= MEGABYTES * 1_000_000, total
        return total / 1e6 / (time.perf_counter() - start)

    return await asyncio.to_thread(read)


async def bench_forward(client: AsyncSandboxClient, sandbox_id: str, folder: Path) -> None:
    """Read from a port of the sandbox through our forward, and through ssh -L."""
    clock = SystemClock()
    board = ForwardBoard(client, FleetStore(clock), clock)
    async with source_in(client, sandbox_id) as port:
        forward = await board.open(sandbox_id, ForwardSpec(Direction.OUT, port, 0))
        while forward.state is not ForwardState.OPEN:
            await asyncio.sleep(0.01)
        openssh = await open_ssh_forward(client, sandbox_id, port, folder)
        ours, peer = [], []
        for turn in range(3):
            for mine in (True, False) if turn % 2 == 0 else (False, True):
                if mine:
                    ours.append(await drain(forward.local_port))
                elif openssh is not None:
                    peer.append(await drain(openssh[1]))
        await board.aclose()
        if openssh is None:
            report("forward", statistics.median(ours), "MB/s", note="OpenSSH is not installed, so no peer")
            return
        openssh[0].terminate()
        openssh[0].wait()
        ratio = statistics.median(ours) / statistics.median(peer)
        note = f"{statistics.median(ours):.0f} and {statistics.median(peer):.0f} MB/s"
        report("forward, speed of ssh -L", ratio, "x", at_least=1, note=note)


async def open_ssh_forward(
    client: AsyncSandboxClient, sandbox_id: str, port: int, folder: Path
) -> tuple[subprocess.Popen[bytes], int] | None:
    """Start ``ssh -L`` into the sandbox; None without OpenSSH."""
    program = shutil.which("ssh")
    if program is None:
        return None
    key = asyncssh.generate_private_key("ssh-ed25519")
    path = folder / "key"
    key.write_private_key(str(path))
    path.chmod(0o600)
    public = key.export_public_key().decode().strip()
    session = await client.create_ssh_session(sandbox_id, None, public_key=public)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        local = int(probe.getsockname()[1])
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    way = ["-N", "-L", f"127.0.0.1:{local}:127.0.0.1:{port}", "-p", str(session.port), "-i", str(path)]
    process = subprocess.Popen([program, *options, *way, f"{session.session_id}@{session.host}"])
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", local)):
            return process, local
        await asyncio.sleep(0.1)
    process.terminate()
    return None


async def measure(platform: PlatformProcess, folder: Path) -> None:
    """Measure all and print."""
    await bench_jobs(platform, folder)
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        (sandbox_id,) = await make_fleet(client, 1)
        await bench_log(client, sandbox_id)
        await bench_forward(client, sandbox_id, folder)
        await client.delete(sandbox_id)


def main() -> None:
    """Start a platform, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        process, platform = start_platform(Path(folder, "state"))
        try:
            asyncio.run(measure(platform, Path(folder)))
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
