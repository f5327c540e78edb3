"""One timer for all sandboxes, which reports when the next deadline of one has passed."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime

from sandtui.clock import Clock


class Deadlines:
    """Calls ``due`` with the id of a sandbox at each of its deadlines; a new deadline does not replace earlier ones."""

    def __init__(self, clock: Clock, due: Callable[[str], Awaitable[None]]) -> None:
        self._clock = clock
        self._due = due
        self._heap: list[tuple[datetime, str]] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, sandbox_id: str, when: datetime) -> None:
        """Add a deadline for a sandbox."""
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
