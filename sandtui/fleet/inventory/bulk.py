"""One operation on many sandboxes: a few at a time, with a result for each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sandtui.client import SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.signals import Signal

AT_ONCE = 10

Work = Callable[[Sequence[str]], Awaitable[Mapping[str, "BulkResult"]]]
"""Does the operation for some ids and returns a result for each; an id without one counts as failed."""


def each(one: Callable[[str], Awaitable[BulkResult]]) -> Work:
    """Return the work that does something for one id after the other."""

    async def work(sandbox_ids: Sequence[str]) -> Mapping[str, BulkResult]:
        return {sandbox_id: await one(sandbox_id) for sandbox_id in sandbox_ids}

    return work


class BulkState(Enum):
    """The state of the operation on one sandbox."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Whether it succeeded, and a short text about it."""

    done: bool
    words: str = ""


@dataclass(slots=True)
class BulkItem:
    """The operation on one sandbox. ``words`` come from outside and are not safe to draw."""

    id: str
    name: str
    state: BulkState = BulkState.WAITING
    words: str = ""


class BulkRun:
    """Runs an operation on many sandboxes; ``on_change`` tells of each step.

    ``at_once`` requests run at the same time, each about ``batch`` ids.
    """

    def __init__(
        self, title: str, rows: Sequence[Row], work: Work, clock: Clock, *, at_once: int = AT_ONCE, batch: int = 1
    ) -> None:
        self.title = title
        self.items = [BulkItem(row.id, row.sandbox.name) for row in rows]
        self.on_change: Signal[[]] = Signal()
        self.started = clock.monotonic()
        self.ended: float | None = None
        self._by_id = {item.id: item for item in self.items}
        self._work = work
        self._clock = clock
        self._at_once = at_once
        self._batch = batch
        self._waiting: deque[BulkItem] = deque(self.items)
        self._task: asyncio.Task[None] | None = None
        self._counts = dict.fromkeys(BulkState, 0) | {BulkState.WAITING: len(self.items)}

    def count(self, state: BulkState) -> int:
        """Return the number of sandboxes in a state."""
        return self._counts[state]

    @property
    def remaining(self) -> int:
        """The number of sandboxes that are not finished."""
        return self.count(BulkState.WAITING) + self.count(BulkState.RUNNING)

    @property
    def is_over(self) -> bool:
        """Whether the operation has ended."""
        return self.ended is not None

    @property
    def failed_ids(self) -> list[str]:
        """The ids that failed or were cancelled."""
        return [item.id for item in self.items if item.state in {BulkState.FAILED, BulkState.CANCELLED}]

    async def run(self) -> None:
        """Run until all are done or it is cancelled; a failure does not stop the others."""
        self._task = asyncio.ensure_future(self._all())
        try:
            await self._task
        except asyncio.CancelledError:
            for item in self.items:
                if item.state in {BulkState.WAITING, BulkState.RUNNING}:
                    detail = "not started" if item.state is BulkState.WAITING else "interrupted"
                    self._set(item, BulkState.CANCELLED, detail)
            self._waiting.clear()
            if not self._task.cancelled():
                self._task.cancel()
                raise
        finally:
            self.ended = self._clock.monotonic()
            self.on_change()

    def cancel(self) -> None:
        """Start nothing more and stop waiting; what was sent may still happen."""
        if self._task is not None:
            self._task.cancel()

    def prepare_retry(self) -> int:
        """Queue the failed ones again, for another :meth:`run`; return how many."""
        failed = [item for item in self.items if item.state in {BulkState.FAILED, BulkState.CANCELLED}]
        for item in failed:
            self._set(item, BulkState.WAITING, "")
        self._waiting.extend(failed)
        if failed:
            self.ended = None
            self.started = self._clock.monotonic()
        return len(failed)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(self._waiting))):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            for item in some:
                self._set(item, BulkState.RUNNING, "")
            self.on_change()
            try:
                outcomes = await self._work([item.id for item in some])
            except (SandboxClientError, OSError) as error:
                outcomes = {item.id: BulkResult(False, str(error)) for item in some}
            for item in some:
                outcome = outcomes.get(item.id, BulkResult(False, "no result from the platform"))
                self._set(item, BulkState.DONE if outcome.done else BulkState.FAILED, outcome.words)
            self.on_change()

    def _set(self, item: BulkItem, state: BulkState, words: str) -> None:
        self._counts[item.state] -= 1
        self._counts[state] += 1
        item.state, item.words = state, words
