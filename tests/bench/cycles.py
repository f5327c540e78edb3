"""Creates, uses and deletes sandboxes over and over, and counts what is left; then runs commands among many.

``python -m tests.bench.cycles [CYCLES] [MANY]``: 2,000 cycles and 500 sandboxes unless told otherwise.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.local import pss
from tests.bench.report import drifted
from tests.bench.sandboxes import Caller, bar_row
from tests.conftest import PlatformProcess, start_platform

CYCLES, MANY = 2000, 500
AT_ONCE = 8
WARM_UP = 200
COMMANDS = 100
SETTLE_SECONDS = 3.0
# Per thousand cycles: the records of ended sandboxes are kept, in memory and in the database.
RECORDS_MB = 6.0
SLOWER = 1.5


def parents() -> dict[int, int]:
    """Return every process of this machine with its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    return found


def below(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    above, found = parents(), [pid]
    for one in found:
        found += [child for child, parent in above.items() if parent == one]
    return found


def left(platform: PlatformProcess) -> Counter[str]:
    """Count what a platform has of the machine."""
    processes = below(platform.pid)
    counts = Counter(processes=len(processes))
    for pid in processes:
        counts["descriptors"] += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    name = platform.state_dir.name
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    counts["mounts"] = sum(str(platform.state_dir) in line for line in mounts)
    counts["loop devices"] = sum(_is_in_use(entry, platform.state_dir) for entry in Path("/sys/block").glob("loop*"))
    parent = f"sandtui-{hashlib.sha256(os.fsencode(platform.state_dir.resolve())).hexdigest()[:12]}"
    # Not with glob, which fails where another platform removes a group meanwhile.
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if f"/{parent}/" in path]
    counts["control groups"] = len(groups)
    files = [path for path in platform.state_dir.rglob("*") if path.parent.name != "logs"]
    counts["files"] = len(files)
    counts[f"memory of {name}, KB"] = pss(Path("/proc", str(platform.pid)))
    return counts


def _is_in_use(device: Path, state_dir: Path) -> bool:
    try:
        return (device / "loop" / "backing_file").read_text().startswith(f"{state_dir}/")
    except OSError:
        return False


async def execute(caller: Caller, box: str) -> float:
    """Run a command and return the milliseconds that it took."""
    token = await caller.call("POST", f"/sandbox/{box}/auth")
    path = f"/{token['user_ns']}/{token['job_id']}/exec"
    start = time.perf_counter()
    reply = await caller.request("POST", path, {"command": "echo 1"}, token["token"])
    assert reply["stdout"] == "1\n", reply
    return (time.perf_counter() - start) * 1000


async def cycle(caller: Caller) -> None:
    """Have one sandbox from its beginning to its end."""
    box = await caller.create()
    await caller.running([box])
    await execute(caller, box)
    await caller.delete([box])


async def cycles(caller: Caller, count: int) -> None:
    """Have many, some at a time."""
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(cycle(caller) for _ in range(min(AT_ONCE, count - start))))


async def latency(caller: Caller, box: str) -> float:
    """Return the median milliseconds of a command in one sandbox."""
    await execute(caller, box)
    return statistics.median([await execute(caller, box) for _ in range(COMMANDS)])


async def measure(platform: PlatformProcess, count: int, many: int) -> None:
    """Go round, count, and measure commands alone and among many."""
    caller = Caller(platform)
    await cycles(caller, WARM_UP)
    await asyncio.sleep(SETTLE_SECONDS)
    before = left(platform)
    start = time.perf_counter()
    await cycles(caller, count)
    print(f"{count} cycles in {time.perf_counter() - start:.0f} s")
    await asyncio.sleep(SETTLE_SECONDS)
    after = left(platform)
    for name, value in after.items():
        if name.endswith("KB"):
            grown = (value - before[name]) / 1024
            bar_row("memory of the platform, grown", grown, RECORDS_MB * count / 1000, "MB", f"{value / 1024:.0f} now")
        else:
            bar_row(f"{name} left behind", value - before[name], 0, "", f"{value} now")
    boxes = [await caller.create()]
    await caller.running(boxes)
    alone = await latency(caller, boxes[0])
    boxes += await asyncio.gather(*(caller.create() for _ in range(many - 1)))
    await caller.running(boxes)
    among = await latency(caller, boxes[0])
    await caller.delete(boxes[1:])
    await asyncio.sleep(SETTLE_SECONDS)
    after_all = await latency(caller, boxes[0])
    told = f"{alone:.1f} and {after_all:.1f} ms alone, {among:.1f} ms"
    alone_usually = (alone + after_all) / 2
    bar_row(f"a command among {many}", among / alone_usually, SLOWER, "x", told, drifted(alone, after_all))
    await caller.delete(boxes[:1])


def main() -> None:
    """Start a platform, measure, stop it."""
    words = [int(word) for word in sys.argv[1:]]
    count, many = (words + [CYCLES, MANY][len(words) :])[:2]
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        process, platform = start_platform(Path(name, "state"))
        print(f"driver: {platform.driver}")
        try:
            asyncio.run(measure(platform, count, many))
        finally:
            process.terminate()
            process.wait(timeout=120)


if __name__ == "__main__":
    main()
