"""Our client beside the official SDK and curl, against one platform: ``make bench`` (issue "The client, complete").

Each number is the best or the median of its repetitions; ours and the peer's alternate. The peer is the SDK's version
0.2.32 in its own environment; without it the table says so.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sandtui.client import APIClient, Config, CreateSandboxRequest, SandboxClient
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform
from tests.probes import session_of

Sides = list[tuple[str, str, str]]
"""Name, interpreter and module of each library; ours comes first."""

ROOT = Path(__file__).parents[2]
SDK = ROOT / ".interop" / "0.2.32" / "bin" / "python"
PEER = ROOT / "tests" / "bench" / "peer.py"
MEGABYTES = 200
EXEC_ROUND, EXEC_TURNS = 100, 20
FLEET = 500
LEAST_OF_CURL, MOST_EXTRA_MB = 0.9, 40
PEERS_FLEET = 90
"""The peer's bulk wait never ends for more than one page of its listing: from the second round on it stops reading
after the first page, and counts too few. So it is compared with a fleet of one page; 500 are ours alone."""


def environment_of(platform: PlatformProcess, home: Path) -> dict[str, str]:
    """Return what either library finds the platform by."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PRIME_API_KEY": platform.api_key,
        "PRIME_API_BASE_URL": platform.base_url,
    }


def run(interpreter: Path | str, module: str, platform: PlatformProcess, home: Path, *task: str) -> dict[str, float]:
    """Run one task for one library."""
    command = [str(interpreter), str(PEER), module, *task]
    result = subprocess.run(
        command, env=environment_of(platform, home), capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    if result.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(task)} failed:\n{result.stderr[-2000:]}")
    reply: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return reply


def exec_turns(sides: Sides, platform: PlatformProcess, home: Path, at_once: int) -> None:
    """Report commands a second, in short rounds that alternate while both libraries stay ready.

    What the machine does changes within seconds, by a factor of two with 64 at a time: only rounds that follow each
    other can be compared, so the ratio is the median of those of neighbours.
    """
    with ExitStack() as cleanup:
        peers = []
        for _, interpreter, module in sides:
            command = [str(interpreter), str(PEER), module, "exec", str(at_once)]
            peer = subprocess.Popen(
                command, env=environment_of(platform, home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            cleanup.enter_context(peer)
            assert peer.stdout is not None and peer.stdout.readline() == "ready\n"
            peers.append(peer)
        seconds: list[list[float]] = [[] for _ in peers]
        for turn in range(EXEC_TURNS):
            order = list(enumerate(peers))
            for place, peer in order if turn % 2 == 0 else reversed(order):
                assert peer.stdin is not None and peer.stdout is not None
                peer.stdin.write(f"{EXEC_ROUND}\n")
                peer.stdin.flush()
                seconds[place].append(float(peer.stdout.readline()))
    values = [EXEC_ROUND / statistics.median(times) for times in seconds]
    title = "exec, one at a time" if at_once == 1 else f"exec, {at_once} at a time"
    if len(seconds) == 1:
        report(title, values[0], "per s")
        return
    pairs = [theirs / ours for ours, theirs in zip(*seconds, strict=True)]
    note = f"{values[0]:.0f} and {values[1]:.0f} per s"
    report(f"{title}, of the SDK", statistics.median(pairs), "x", at_least=1, note=note)


def curl(platform: PlatformProcess, folder: Path) -> tuple[float, float]:
    """Return what curl sends and fetches, in MB a second, over the same routes."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    with SandboxClient(APIClient(config=config), keep_tokens=False) as client:
        sandbox = client.create(CreateSandboxRequest(name="curl", docker_image="python:3.11-slim"))
        client.wait_for_creation(sandbox.id)
        from sandtui.client.port import run_blocking

        token = run_blocking(session_of(client).gateway_access(sandbox.id).token())
        source, target = folder / "source", folder / "target"
        source.write_bytes(os.urandom(1_000_000) * MEGABYTES)
        query = f"path=/workspace/big&sandbox_id={sandbox.id}"
        authorization = f"Authorization: Bearer {token.token}"
        up = ["curl", "-sf", "-H", authorization, "-F", f"file=@{source}", f"{token.base}/upload?{query}"]
        down = ["curl", "-sf", "-H", authorization, "-o", str(target), f"{token.base}/download?{query}"]
        times: dict[str, list[float]] = {"up": [], "down": []}
        for _ in range(3):
            for name, command in (("up", up), ("down", down)):
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
        assert target.stat().st_size == source.stat().st_size
        client.delete(sandbox.id)
    return MEGABYTES / min(times["up"]), MEGABYTES / min(times["down"])


def measure(platform: PlatformProcess, home: Path) -> None:
    """Measure and report."""
    sides = [("ours", sys.executable, "sandtui.client")]
    if SDK.exists():
        sides.append(("SDK 0.2.32", str(SDK), "prime_sandboxes"))
    else:
        print("the official SDK is not installed: run `make .interop/0.2.32/.done`")
    rows: dict[str, dict[str, list[dict[str, float]]]] = {}
    tasks = [("import", []), ("transfer", [str(MEGABYTES)])]
    tasks += [("fleet", [str(PEERS_FLEET)]), ("fleet", [str(FLEET)])]
    repeats = {"import": 5, "transfer": 2, "fleet": 2}
    for task, arguments in tasks:
        for turn in range(repeats[task]):
            for name, interpreter, module in sides if turn % 2 == 0 else reversed(sides):
                if arguments == [str(FLEET)] and module != "sandtui.client":
                    continue
                reply = run(interpreter, module, platform, home, task, *arguments)
                rows.setdefault(" ".join([task, *arguments]), {}).setdefault(name, []).append(reply)
    show(rows, "import", "import_seconds", "import, time", "ms", 1000)
    exec_turns(sides, platform, home, 1)
    exec_turns(sides, platform, home, 64)
    transfer = f"transfer {MEGABYTES}"
    show(rows, transfer, "up", f"upload {MEGABYTES} MB, speed", "MB/s", larger_is_better=True)
    show(rows, transfer, "down", f"download {MEGABYTES} MB, speed", "MB/s", larger_is_better=True)
    extra = statistics.median(reply["extra_mb"] for reply in rows[transfer]["ours"])
    report("extra memory for both", extra, "MB", at_most=MOST_EXTRA_MB)
    for number in (PEERS_FLEET, FLEET):
        show(rows, f"fleet {number}", "seconds", f"{number} creates and wait, time", "s")
        show(rows, f"fleet {number}", "requests", f"{number} creates and wait, requests", "")
    if shutil.which("curl"):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            up, down = curl(platform, Path(folder))
        best = {key: max(reply[key] for reply in rows[transfer]["ours"]) for key in ("up", "down")}
        for word, key, theirs in (("upload", "up", up), ("download", "down", down)):
            note = f"{best[key]:.0f} and {theirs:.0f} MB/s"
            report(f"{word}, speed of curl", best[key] / theirs, "x", at_least=LEAST_OF_CURL, note=note)


def show(
    rows: dict[str, dict[str, list[dict[str, float]]]],
    task: str,
    key: str,
    title: str,
    unit: str,
    scale: float = 1,
    *,
    larger_is_better: bool = False,
) -> None:
    """Report the median of ours as a ratio to the SDK's, which is the bar; alone where the SDK was not asked."""
    values = [statistics.median(reply[key] for reply in replies) * scale for replies in rows[task].values()]
    if len(values) == 1:
        report(title, values[0], unit)
        return
    bar = {"at_least": 1.0} if larger_is_better else {"at_most": 1.0}
    note = f"{values[0]:.1f} and {values[1]:.1f} {unit}".rstrip()
    report(f"{title} of the SDK", values[0] / values[1], "x", note=note, **bar)  # type: ignore[arg-type]


def main() -> None:
    """Start a platform, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        process, platform = start_platform(Path(folder, "state"))
        try:
            measure(platform, Path(folder))
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
