"""Gives way to short commands: a sandbox that keeps cores busy has less weight than one that is mostly idle.

A command takes a few milliseconds, nearly all of them on a core. At equal weights, it would take twice as long beside a
sandbox that never sleeps. The weight only decides while more processes want to run than there are cores.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol


class CpuGroup(Protocol):
    """The processes of a sandbox."""

    def cpu_seconds(self) -> float:
        """Return the time on cores that they have used."""
        ...

    def set_weight(self, *, is_busy: bool) -> None:
        """Set their share of cores that many processes want."""
        ...


BUSY_SHARE: Final = 0.25
"""The part of one core that makes a sandbox count as busy."""
CALM_SECONDS: Final = 2.0
"""How long a sandbox has to use less until it has its full weight again."""
_MACHINE_SHARE: Final = 0.5
"""Where less of the machine is in use, nothing waits for a core."""
_AT_ONCE: Final = 25
STAT: Final = Path("/proc/stat")


class CpuWeights:
    """Watches how much the sandboxes use, and sets their weights."""

    def __init__(self, stat: Path = STAT, now: Callable[[], float] = time.monotonic) -> None:
        self._stat = stat
        self._now = now
        self._machine: tuple[int, int] | None = None
        self._used: dict[str, tuple[float, float]] = {}
        self._calm_from: dict[str, float] = {}

    async def update(self, groups: Mapping[str, CpuGroup]) -> None:
        """Look at all sandboxes; call this regularly."""
        if not self._machine_is_busy() and not self._calm_from:
            self._used.clear()
            return
        for number, (sandbox_id, group) in enumerate(groups.items()):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            self._look(sandbox_id, group)
        for kept in (self._used, self._calm_from):
            for sandbox_id in kept.keys() - groups.keys():
                del kept[sandbox_id]

    def _look(self, sandbox_id: str, group: CpuGroup) -> None:
        used = group.cpu_seconds()
        now = self._now()
        before, then = self._used.get(sandbox_id, (used, now))
        self._used[sandbox_id] = used, now
        # Less than before: processes ended while they were counted, which only those do that come and go all the time.
        if used < before or used - before > BUSY_SHARE * (now - then):
            if sandbox_id not in self._calm_from:
                group.set_weight(is_busy=True)
            self._calm_from[sandbox_id] = now + CALM_SECONDS
        elif self._calm_from.get(sandbox_id, now + 1) <= now:
            del self._calm_from[sandbox_id]
            group.set_weight(is_busy=False)

    def _machine_is_busy(self) -> bool:
        try:
            with self._stat.open("rb") as file:
                fields = [int(field) for field in file.readline().split()[1:9]]
        except (OSError, ValueError):
            return True
        total, idle = sum(fields), fields[3] + fields[4]
        before, self._machine = self._machine, (total, idle)
        if before is None or total <= before[0]:
            return True
        return (idle - before[1]) < (1 - _MACHINE_SHARE) * (total - before[0])
