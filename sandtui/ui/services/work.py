"""Starting background work: named, cancellable, linked to the activity that caused it and to its connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from textual.app import App
from textual.worker import Worker

from sandtui.fleet.activity.requests import Trace
from sandtui.fleet.activity.trace import current_trace, following

T = TypeVar("T")

LOG = logging.getLogger("sandtui.ui")

NOT_ASKED_FOR = frozenset({"live", "jobs", "unfinished", "close", "log-end", "choices"})
"""Groups not started by the user: their requests belong to no activity entry."""

LOCAL = frozenset(
    {
        "write",
        "keep",
        "edit",
        "editor",
        "helper",
        "recording",
        "recordings",
        "history",
        "images",
        "activity",
        "close",
        "keep-log",
    }
)
"""Groups that survive a context switch, since they work locally. By the first word of the group."""

CLOSE_SECONDS = 5.0


class Work:
    """Starts coroutines as workers of the app. A group is a word, optionally followed by a subject."""

    def __init__(self, app: App[Any], is_ending: Callable[[], bool]) -> None:
        self._app = app
        self._is_ending = is_ending
        self._bound: set[Worker[Any]] = set()
        self.generation = 0
        """Counts connections: errors of work over an earlier connection are only logged."""

    def start(self, flow: Coroutine[Any, Any, Any], group: str, *, exclusive: bool = False) -> None:
        """Start a coroutine, unless the program is shutting down; ``exclusive`` cancels the group's other work.

        An unhandled exception is reported and does not end the program.
        """
        if self._is_ending():
            flow.close()
            return
        with following(None if group in NOT_ASKED_FOR else current_trace() or Trace()):
            self.worker(flow, group, exclusive=exclusive)

    def worker(self, flow: Coroutine[Any, Any, T], group: str, *, exclusive: bool = False) -> Worker[T]:
        """Start a coroutine in the current trace; return the worker."""
        guarded = self._of_connection(flow, self.generation)
        worker = self._app.run_worker(guarded, group=group, exclusive=exclusive, exit_on_error=False)
        if group.partition(" ")[0] not in LOCAL:
            self._bound = {each for each in self._bound if not each.is_finished} | {worker}
        return worker

    def cancel(self, group: str) -> None:
        """Cancel the work of a group."""
        self._app.workers.cancel_group(self._app, group)

    @property
    def groups(self) -> set[str]:
        """The active groups, without subjects."""
        return {worker.group.partition(" ")[0] for worker in self._app.workers if not worker.is_finished}

    def take_bound(self) -> list[Worker[Any]]:
        """Cancel all work over the connection; return the workers that have not ended yet."""
        bound = [worker for worker in self._bound if not worker.is_finished]
        self._bound.clear()
        for worker in bound:
            worker.cancel()
        return bound

    @staticmethod
    async def ended(workers: Sequence[Worker[Any]]) -> None:
        """Wait for cancelled work to end, for some seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(worker.wait() for worker in workers), return_exceptions=True)

    async def _of_connection(self, flow: Coroutine[Any, Any, T], generation: int) -> T:
        try:
            return await flow
        except Exception:
            if generation == self.generation:
                raise
            LOG.debug("an error over a connection that was left", exc_info=True)
            # Nobody waits for the result, as with cancelled work.
            raise asyncio.CancelledError from None
