"""Time, as something that a test can hold in its hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the platform takes its time from."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Wait until a time has come."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        """Wait until a time has come, also when the machine slept or its clock was set meanwhile."""
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 30.0))


class ManualClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return self._now

    def advance(self, **amount: float) -> None:
        """Let time pass; the arguments are those of :class:`datetime.timedelta`."""
        self._now += timedelta(**amount)
        for when, event in self._sleepers:
            if when <= self._now:
                event.set()

    async def sleep_until(self, when: datetime) -> None:
        """Wait until a time has come."""
        if when <= self._now:
            return
        entry = (when, asyncio.Event())
        self._sleepers.append(entry)
        try:
            await entry[1].wait()
        finally:
            self._sleepers.remove(entry)
