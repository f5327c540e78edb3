"""Files: one of 200 MB and 2,000 of 4 KiB, both ways, beside curl, the official SDK and tar; and a directory of 10,000.

``python -m tests.bench.files``. Each number is the best of its rounds; ours and the peers' alternate.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sandtui.cli.cp import NullJournal
from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from sandtui.clock import SystemClock
from sandtui.config.paths import Paths
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.transfers.model import ENDED, Existing, Location, TransferSpec, TransferState
from sandtui.fleet.transfers.queue import TransferQueue
from tests.bench.client import ROOT, SDK
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform
from tests.probes import session_of

MEGABYTES = 200
FILES, FILE_SIZE = 2000, 4096
ENTRIES = 10_000
ROUNDS = 5
LEAST_OF_CURL, LEAST_OF_SDK = 0.9, 5.0

SDK_LOOP = """
import os, sys, time
from pathlib import Path
from prime_sandboxes import APIClient, SandboxClient
box, here, back = sys.argv[1:]
client = SandboxClient(APIClient())
names = sorted(os.listdir(here))
start = time.perf_counter()
for name in names:
    client.upload_file(box, f"/workspace/sdk/{name}", f"{here}/{name}")
up = time.perf_counter() - start
start = time.perf_counter()
for name in names:
    client.download_file(box, f"/workspace/sdk/{name}", f"{back}/{name}")
print(up, time.perf_counter() - start)
"""


class Bench:
    """A platform, a sandbox, and a queue that runs."""

    def __init__(self, platform: PlatformProcess, client: AsyncSandboxClient, box: str, folder: Path) -> None:
        self.platform, self.client, self.box, self.folder = platform, client, box, folder
        self.queue = TransferQueue(client, SystemClock(), NullJournal(), folder / "spool")

    async def copy(self, source: Location, target: Location, *, checksum: bool = True) -> None:
        """Copy by the queue."""
        changed = asyncio.Event()
        self.queue.on_change.subscribe(changed.set)
        spec = TransferSpec(source, target, "bench", Existing.OVERWRITE, checksum=checksum)
        (transfer,) = self.queue.add([spec])
        while transfer.state not in ENDED:
            changed.clear()
            await changed.wait()
        assert transfer.state is TransferState.DONE, transfer.problem

    def there(self, path: str) -> Location:
        """Return a place in the sandbox."""
        return Location(path, self.box, "bench")

    async def curl(self, *arguments: str) -> None:
        """Run curl against the sandbox's gateway."""
        token = await session_of(self.client).gateway_access(self.box).token()
        words = ["curl", "-sSf", "-H", f"Authorization: Bearer {token.token}", *arguments]
        words[-1] = f"{token.base}{words[-1]}"
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0

    async def sh(self, command: str) -> None:
        """Run a command in the sandbox."""
        reply = await self.client.execute_command(self.box, command, timeout=600)
        assert reply.exit_code == 0, reply.stderr


async def best(*works: Callable[[], Awaitable[None]]) -> list[float]:
    """Return the best seconds of each piece of work; they alternate."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            start = time.perf_counter()
            await work()
            times[place].append(time.perf_counter() - start)
    return [min(each) for each in times]


async def large(bench: Bench) -> None:
    """One large file, both ways."""
    source, back, other = (bench.folder / name for name in ("large", "back", "curl-back"))
    source.write_bytes(os.urandom(1_000_000) * MEGABYTES)
    query = f"sandbox_id={bench.box}"

    async def ours_up(checksum: bool) -> None:
        await bench.copy(Location(str(source)), bench.there("/workspace/ours"), checksum=checksum)

    async def ours_down(checksum: bool) -> None:
        await bench.copy(bench.there("/workspace/ours"), Location(str(back)), checksum=checksum)

    async def curl_up() -> None:
        await bench.curl("-F", f"file=@{source}", f"/upload?path=/workspace/curl&{query}")

    async def curl_down() -> None:
        await bench.curl("-o", str(other), f"/download?path=/workspace/curl&{query}")

    async def sums(path: Path, there: str) -> None:
        here = asyncio.to_thread(subprocess.run, ["sha256sum", str(path)], check=True, capture_output=True)
        await asyncio.gather(bench.sh(f"sha256sum {there}"), here)

    async def curl_up_checked() -> None:
        await curl_up()
        await sums(source, "/workspace/curl")

    async def curl_down_checked() -> None:
        await curl_down()
        await sums(other, "/workspace/curl")

    for words, ours, peer, checksum in (
        ("upload, sizes compared", ours_up, curl_up, False),
        ("upload, sha256 compared", ours_up, curl_up_checked, True),
        ("download, sizes compared", ours_down, curl_down, False),
        ("download, sha256 compared", ours_down, curl_down_checked, True),
    ):
        mine, theirs = await best(lambda ours=ours, checksum=checksum: ours(checksum), peer)
        ratio = theirs / mine
        name = "curl and sha256sum" if checksum else "curl"
        note = f"{MEGABYTES / mine:.0f} MB/s, of {name}"
        report(f"{MEGABYTES} MB {words}", ratio, "x", at_least=LEAST_OF_CURL, note=note)
    assert back.read_bytes() == source.read_bytes()


async def small(bench: Bench) -> None:
    """Many small files, both ways."""
    here, back, sdk_back = (bench.folder / name for name in ("small", "small-back", "sdk-back"))
    for folder in (here, sdk_back):
        folder.mkdir()
    for number in range(FILES):
        (here / f"file-{number:04}").write_bytes(os.urandom(FILE_SIZE))
    query = f"sandbox_id={bench.box}"
    tar = bench.folder / "small.tar"

    async def ours_up() -> None:
        await bench.copy(Location(str(here)), bench.there("/workspace/small"))

    async def ours_down() -> None:
        await bench.copy(bench.there("/workspace/small"), Location(str(back)))

    async def tar_up() -> None:
        await asyncio.to_thread(subprocess.run, ["tar", "-cf", str(tar), "-C", str(here), "."], check=True)
        await bench.curl("-F", f"file=@{tar}", f"/upload?path=/workspace/s.tar&{query}")
        await bench.sh("mkdir -p /workspace/tar && tar -xf /workspace/s.tar -C /workspace/tar")

    async def tar_down() -> None:
        await bench.sh("tar -cf /workspace/t.tar -C /workspace/tar .")
        await bench.curl("-o", str(tar), f"/download?path=/workspace/t.tar&{query}")
        target = bench.folder / "tar-back"
        target.mkdir(exist_ok=True)
        await asyncio.to_thread(subprocess.run, ["tar", "-xf", str(tar), "-C", str(target)], check=True)

    up, tar_up_time = await best(ours_up, tar_up)
    down, tar_down_time = await best(ours_down, tar_down)
    assert len(list(back.iterdir())) == FILES
    sdk = await asyncio.to_thread(sdk_loop, bench, here, sdk_back)
    for words, mine, theirs, by_tar in (
        ("there", up, sdk[0] if sdk else None, tar_up_time),
        ("back", down, sdk[1] if sdk else None, tar_down_time),
    ):
        name = f"{FILES:,} files of {FILE_SIZE:,} bytes {words}"
        report(name, mine * 1000, "ms", note=f"tar by hand {by_tar * 1000:.0f} ms")
        if theirs is not None:
            report(f"{name}, speed of the SDK", theirs / mine, "x", at_least=LEAST_OF_SDK)


def sdk_loop(bench: Bench, here: Path, back: Path) -> tuple[float, float] | None:
    """Return the seconds of the official SDK's loop, or None without it."""
    if not SDK.exists():
        print("the official SDK is not installed: run `make .interop/0.2.32/.done`")
        return None
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(bench.folder),
        "PRIME_API_KEY": bench.platform.api_key,
        "PRIME_API_BASE_URL": bench.platform.base_url,
    }
    command = [str(SDK), "-c", SDK_LOOP, bench.box, str(here), str(back)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=bench.folder)
    up, down = done.stdout.split()
    return float(up), float(down)


def memory(bench: Bench) -> None:
    """The peak memory of a copy of 1 MB and of 200 MB, each in a process of its own."""
    peaks = []
    for megabytes in (1, MEGABYTES):
        path = bench.folder / f"memory-{megabytes}"
        path.write_bytes(bytes(1_000_000) * megabytes)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(bench.folder),
            "PRIME_API_KEY": bench.platform.api_key,
            "PRIME_API_BASE_URL": bench.platform.base_url,
        }
        code = "import sys; from sandtui.cli.program import main; main(sys.argv[1:]); "
        code += "print(*[l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')])"
        for words in ([str(path), f"{bench.box}:/workspace/m"], [f"{bench.box}:/workspace/m", str(path)]):
            command = [sys.executable, "-c", code, "cp", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
            peaks.append(int(done.stdout.split()[-1]) / 1024)
    small_up, small_down, large_up, large_down = peaks
    for word, little, much in (("upload", small_up, large_up), ("download", small_down, large_down)):
        note = f"{little:.0f} and {much:.0f} MB"
        report(f"memory, {word} of {MEGABYTES} MB over that of 1", much - little, "MB", note=note)


async def listing(bench: Bench) -> None:
    """A directory of 10,000 entries, from the key to the painted frame."""
    from sandtui.ui.app import SandtuiApp
    from sandtui.ui.files.screen import FilesScreen
    from sandtui.ui.startup import StartupOptions

    await bench.sh(
        f"mkdir -p /workspace/many; cd /workspace/many; i=0; while [ $i -lt {ENTRIES} ]; do : > f$i; i=$((i+1)); done"
    )
    config = Config(api_key=bench.platform.api_key, base_url=bench.platform.base_url)

    async def connect() -> Connection:
        return Connection(config, "bench")

    paths = Paths(bench.folder / "config", bench.folder / "state")
    app = SandtuiApp(StartupOptions(connect), paths=paths, ticking=False)
    times: list[float] = []
    async with app.run_test(size=(120, 36)) as pilot:
        while app.services.platform.session is None or app.services.platform.session.store.get(bench.box) is None:
            await pilot.pause(0.02)
        app.services.navigator.open_files([bench.box])
        while (
            not isinstance(app.screen, FilesScreen)
            or not app.screen.panes
            or any(pane.listing is None for pane in app.screen.panes)
        ):
            await pilot.pause(0.02)
        screen = app.screen
        stalls: list[float] = []
        watching = asyncio.ensure_future(watch_loop(stalls))
        for _ in range(7):
            before = screen.panes[1].listing
            start = time.perf_counter()
            screen.go(1, "/workspace/many")
            while screen.panes[1].listing is before or screen.panes[1].loading:
                await asyncio.sleep(0.001)
            await pilot.pause()
            times.append((time.perf_counter() - start) * 1000)
            assert len(screen.panes[1].rows) == ENTRIES + 1
        watching.cancel()
    note = f"at most {max(times):.0f} ms"
    report(f"{ENTRIES:,} entries, key to painted frame", statistics.median(times), "ms", note=note)
    report("  the loop held up meanwhile, at most", max(stalls) * 1000, "ms")


async def watch_loop(stalls: list[float]) -> None:
    """Note how late the loop comes back from a short sleep."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.002)
        stalls.append(time.perf_counter() - start - 0.002)


async def run(platform: PlatformProcess, folder: Path) -> None:
    """Measure and print."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        box = (await client.create(CreateSandboxRequest(name="bench-files", docker_image="python:3.11-slim"))).id
        await client.wait_for_creation(box)
        bench = Bench(platform, client, box, folder)
        running = asyncio.ensure_future(bench.queue.run())
        try:
            await large(bench)
            await small(bench)
            await asyncio.to_thread(memory, bench)
            await listing(bench)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def main() -> None:
    """Start a platform, measure, stop it."""
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-", dir=shared) as name:
        process, platform = start_platform(Path(name, "state"))
        print(f"driver: {platform.driver}")
        folder = Path(name, "work")
        folder.mkdir()
        try:
            asyncio.run(run(platform, folder))
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
