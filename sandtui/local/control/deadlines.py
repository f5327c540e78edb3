"""One timer for all sandboxes: says which of them has reached its next moment."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime

from sandtui.clock import Clock


class Deadlines:
    """Calls ``due`` with a sandbox's id when its time has come; a later entry doesn't undo an earlier."""

    def __init__(self, clock: Clock, due: Callable[[str], Awaitable[None]]) -> None:
        self._clock = clock
        self._due = due
        self._heap: list[tuple[datetime, str]] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, sandbox_id: str, when: datetime) -> None:
        """Ask to be called for a sandbox at a time."""
        heapq.heappush(self._heap, (when, sandbox_id))
        if self._heap[0] == (when, sandbox_id):
            self._changed.set()

    def open(self) -> None:
        """Start watching the clock."""
        self._task = asyncio.create_task(self._run(), name="deadlines")

    async def close(self) -> None:
        """Stop watching the clock."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            if not self._heap:
                await self._changed.wait()
                continue
            sleeping = asyncio.ensure_future(self._clock.sleep_until(self._heap[0][0]))
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({sleeping, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeping.cancel()
                changed.cancel()
            while self._heap and self._heap[0][0] <= self._clock.now():
                await self._due(heapq.heappop(self._heap)[1])
