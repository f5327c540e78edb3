"""The usage of a running sandbox, read by one small command; only on request, because it resets the idle timeout."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

KEPT = 60
SECONDS = 15
"""The time limit of the command."""

GIGABYTE = 1024**3
UNLIMITED = 1 << 60
"""A control group of the first version writes "no limit" as a number beyond this."""

_NUMBERS = r"s/^.*) \([A-Za-z]\( -*[0-9][0-9]*\)\{30,\}\)$/\1/p"
"""What follows the name in /proc/PID/stat; the 15 bytes of a process name can't imitate it."""

COMMAND = (
    "c=/sys/fs/cgroup; i=/proc/1/stat; p='/proc/[0-9]*/stat'; "
    # Plain processes of the local platform are not apart from those of the machine, but for a mark.
    'if [ -n "$SANDTUI_SANDBOX_ID" ] && ! grep -qs sandtui/local/agent/ /proc/1/cmdline; then c=/none; i=/none; '
    'p=$(grep -ls "SANDTUI_SANDBOX_ID=$SANDTUI_SANDBOX_ID" /proc/[0-9]*/environ | sed s/environ/stat/); fi; '
    'echo "cpu $(sed -n "s/^usage_usec //p" $c/cpu.stat 2>/dev/null)"; '
    'echo "nanoseconds $(cat $c/cpuacct/cpuacct.usage 2>/dev/null)"; '
    'echo "memory $(cat $c/memory.current $c/memory/memory.usage_in_bytes 2>/dev/null)"; '
    'echo "cache $(sed -n "s/^inactive_file //p" $c/memory.stat 2>/dev/null) '
    '$(sed -n "s/^total_inactive_file //p" $c/memory/memory.stat 2>/dev/null)"; '
    'echo "limit $(cat $c/memory.max $c/memory/memory.limit_in_bytes 2>/dev/null)"; '
    'echo "processes $(ls -d $p 2>/dev/null | wc -l)"; '
    'echo "disk $(df -Pk / 2>/dev/null | tail -1 | tr -s " " | cut -d" " -f3,2)"; '
    'echo "uptime $(cut -d" " -f1 /proc/uptime 2>/dev/null)"; '
    f"echo \"first $(sed -n '{_NUMBERS}' $i 2>/dev/null | cut -d' ' -f20)\"; "
    'echo "hertz $(getconf CLK_TCK 2>/dev/null)"; echo "page $(getconf PAGESIZE 2>/dev/null)"; '
    f"cat $p 2>/dev/null | sed -n '{_NUMBERS}' | {{ t=0; r=0; while read -r l; do set -- $l; "
    "t=$((t + ${12} + ${13} + ${14} + ${15})); r=$((r + ${22})); done; "
    'echo "ticks $t"; echo "resident $r"; }'
)
"""Reads control groups, processes and the file system; what is missing is left out.

Where no control group can be read, the times of all processes and of the children that they waited for are
added up (proc_pid_stat(5), fields 14 to 17, and 24 for memory). ``first`` is when process 1 began, in ticks.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: CPU time in microseconds, memory in bytes, disk in KiB, and the sandbox's own clock in seconds.

    ``age`` is that of the sandbox's first process: the clock may be that of the machine below.
    """

    cpu_microseconds: int | None = None
    memory: int | None = None
    memory_limit: int | None = None
    processes: int | None = None
    disk_size: int | None = None
    disk_used: int | None = None
    uptime: float | None = None
    age: float | None = None


def read_sample(output: str) -> Sample:
    """Parse the output of the command; what can't be parsed is None."""
    words = {line.split(maxsplit=1)[0]: line.split()[1:] for line in output.splitlines() if line.strip()}

    def number(name: str, index: int = 0) -> int | None:
        values = words.get(name, [])
        text = values[index] if index < len(values) else ""
        return int(text) if text.isdecimal() and len(text) <= _DIGITS else None

    try:
        uptime = float(words["uptime"][0])
    except (KeyError, IndexError, ValueError):
        uptime = None
    hertz = number("hertz") or 100
    first = number("first")
    limit = number("limit")
    return Sample(
        _processor(number("cpu"), number("nanoseconds"), number("ticks"), hertz),
        _memory(number("memory"), number("cache"), number("resident"), number("page") or 4096),
        None if limit is None or limit >= UNLIMITED else limit,
        number("processes"),
        number("disk"),
        number("disk", 1),
        uptime,
        None if uptime is None or first is None or uptime * hertz <= first else uptime - first / hertz,
    )


_DIGITS = 20
"""No valid number is longer, and parsing very long ones is slow."""


def _processor(microseconds: int | None, nanoseconds: int | None, ticks: int | None, hertz: int) -> int | None:
    if microseconds is not None:
        return microseconds
    if nanoseconds is not None:
        return nanoseconds // 1000
    return None if ticks is None else ticks * 1_000_000 // hertz


def _memory(held: int | None, cache: int | None, resident: int | None, page: int) -> int | None:
    """Return the bytes in use, without the cache of files that the kernel can drop."""
    if held is not None:
        return max(0, held - (cache or 0))
    return None if resident is None else resident * page


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured usage: cores, as a mean since the start, and bytes of memory; None if unknown."""

    moment: datetime
    cores: float | None
    memory: int | None


def measured(sample: Sample, started: datetime | None, now: datetime) -> Measured | None:
    """Return the usage that a sample shows, or None if it shows none.

    ``started`` comes from the platform; the age of the sandbox's first process is preferred.
    """
    age = sample.age
    if age is None and started is not None:
        age = (now - (started if started.tzinfo is not None else started.replace(tzinfo=UTC))).total_seconds()
    cores = None
    if age is not None and age > 0 and sample.cpu_microseconds is not None:
        cores = sample.cpu_microseconds / 1e6 / age
    return None if cores is None and sample.memory is None else Measured(now, cores, sample.memory)


def share(value: float) -> str:
    """Format a share: ``0%``, ``<0.1%``, ``4.2%``, ``97%``."""
    percent = value * 100
    if 0 < percent < 0.05:
        return "<0.1%"
    return f"{percent:.1f}%".replace(".0%", "%") if percent < 9.95 else f"{percent:.0f}%"


@dataclass(slots=True)
class Usage:
    """The latest samples of a sandbox. ``cpu`` is in cores, ``memory`` in bytes."""

    cpu: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    memory: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))
    latest: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Add a sample; CPU usage is known from the second one on."""
        before, self.latest = self.latest, sample
        if sample.memory is not None:
            self.memory.append(sample.memory)
        if before is None or sample.cpu_microseconds is None or before.cpu_microseconds is None:
            return
        if sample.uptime is None or before.uptime is None or sample.uptime <= before.uptime:
            return
        used = (sample.cpu_microseconds - before.cpu_microseconds) / 1e6
        self.cpu.append(max(0.0, used / (sample.uptime - before.uptime)))


SANDBOXES_KEPT = 1000


class UsageHistory:
    """The samples of the sandboxes that were measured last."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Usage] = OrderedDict()

    def of(self, sandbox_id: str) -> Usage | None:
        """Return the samples of a sandbox, if it was measured."""
        return self._by_id.get(sandbox_id)

    def add(self, sandbox_id: str, sample: Sample) -> None:
        """Add a sample."""
        self._by_id.setdefault(sandbox_id, Usage()).add(sample)
        self._by_id.move_to_end(sandbox_id)
        if len(self._by_id) > SANDBOXES_KEPT:
            self._by_id.popitem(last=False)
