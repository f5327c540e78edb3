"""What a running sandbox uses now: one small command, asked for by somebody and never by itself (traps.md 4)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

KEPT = 60

COMMAND = (
    "c=/sys/fs/cgroup; "
    'echo "cpu $(sed -n "s/usage_usec //p" $c/cpu.stat 2>/dev/null || true)"; '
    'echo "memory $(cat $c/memory.current 2>/dev/null || true)"; '
    'echo "limit $(cat $c/memory.max 2>/dev/null || true)"; '
    'echo "processes $(ls -d /proc/[0-9]* 2>/dev/null | wc -l)"; '
    'echo "disk $(df -Pk / 2>/dev/null | tail -1 | tr -s " " | cut -d" " -f3,2)"; '
    'echo "uptime $(cut -d" " -f1 /proc/uptime 2>/dev/null || true)"'
)
"""Reads what the control group and the file system tell; what is not there is left out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: microseconds of processor so far, bytes, KiB, and the sandbox's own clock in seconds."""

    cpu_microseconds: int | None = None
    memory: int | None = None
    memory_limit: int | None = None
    processes: int | None = None
    disk_size: int | None = None
    disk_used: int | None = None
    uptime: float | None = None


def read_sample(output: str) -> Sample:
    """Read what the command printed; what can't be read is None."""
    words = {line.split(maxsplit=1)[0]: line.split()[1:] for line in output.splitlines() if line.strip()}

    def number(name: str, place: int = 0) -> int | None:
        values = words.get(name, [])
        return int(values[place]) if place < len(values) and values[place].isdecimal() else None

    try:
        uptime = float(words["uptime"][0])
    except (KeyError, IndexError, ValueError):
        uptime = None
    return Sample(
        number("cpu"),
        number("memory"),
        number("limit"),
        number("processes"),
        number("disk"),
        number("disk", 1),
        uptime,
    )


@dataclass(slots=True)
class Usage:
    """The last looks at a sandbox. ``cpu`` is in cores, ``memory`` in bytes."""

    cpu: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    memory: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))
    latest: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Take a look in; the processor is known from the second on."""
        before, self.latest = self.latest, sample
        if sample.memory is not None:
            self.memory.append(sample.memory)
        if before is None or sample.cpu_microseconds is None or before.cpu_microseconds is None:
            return
        if sample.uptime is None or before.uptime is None or sample.uptime <= before.uptime:
            return
        used = (sample.cpu_microseconds - before.cpu_microseconds) / 1e6
        self.cpu.append(max(0.0, used / (sample.uptime - before.uptime)))
