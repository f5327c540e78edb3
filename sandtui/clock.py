"""The time of day and pauses, behind a protocol so that tests decide when time passes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_RECHECK_SECONDS: Final = 30.0


class Clock(Protocol):
    """The source of every time stamp and every pause."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Pause for some seconds."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Pause until a time of day; return at once when it has passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Pause for some seconds without blocking the event loop."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, when: datetime) -> None:
        """Pause until a time of day, even if the machine is suspended or its clock is set meanwhile."""
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _RECHECK_SECONDS))


class ManualClock:
    """A clock that only moves with :meth:`advance`, which wakes those whose pause is over."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = self._now = start or datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the clock was created."""
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Pause until the clock has advanced by some seconds; a pause of 0 lasts until the next advance."""
        await self._wait(self._now + timedelta(seconds=seconds))

    async def sleep_until(self, when: datetime) -> None:
        """Pause until a time of day; return at once when it has passed."""
        if when > self._now:
            await self._wait(when)

    @property
    def sleeping(self) -> int:
        """The number of pauses that are not over."""
        return sum(not future.done() for _, future in self._sleepers)

    def advance(self, seconds: float = 0.0, **more: float) -> None:
        """Move the clock; other arguments, such as ``hours``, are those of :class:`datetime.timedelta`."""
        self._now += timedelta(seconds=seconds, **more)
        for due, future in self._sleepers:
            if due <= self._now and not future.done():
                future.set_result(None)

    async def _wait(self, due: datetime) -> None:
        entry = (due, asyncio.get_running_loop().create_future())
        self._sleepers.append(entry)
        try:
            await entry[1]
        finally:
            self._sleepers.remove(entry)
