"""The one way to start work: named, cancellable, behind the activity that caused it, and bound to its connection."""

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

NOT_ASKED_FOR = frozenset({"live", "jobs", "unfinished", "close"})
"""Groups that no user asked for: their requests stand behind no entry of the activity."""

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
"""Groups that go on when the platform is left: they work on this machine. By the first word of the group."""

CLOSE_SECONDS = 5.0


class Work:
    """Starts coroutines as workers of the app. A group is a word, with a subject behind it where it matters."""

    def __init__(self, app: App[Any], is_ending: Callable[[], bool]) -> None:
        self._app = app
        self._is_ending = is_ending
        self._bound: set[Worker[Any]] = set()
        self.generation = 0
        """Counts connections: an error of work over an earlier one is logged and no fault."""

    def start(self, flow: Coroutine[Any, Any, Any], group: str, *, exclusive: bool = False) -> None:
        """Start a coroutine, unless the program is ending; an ``exclusive`` one ends what its group does already.

        An exception that it does not handle is reported and closes nothing but what it belongs to.
        """
        if self._is_ending():
            flow.close()
            return
        with following(None if group in NOT_ASKED_FOR else current_trace() or Trace()):
            self.worker(flow, group, exclusive=exclusive)

    def worker(self, flow: Coroutine[Any, Any, T], group: str, *, exclusive: bool = False) -> Worker[T]:
        """Start a coroutine as a part of what goes on now; return the worker, for its result or to cancel it."""
        guarded = self._of_connection(flow, self.generation)
        worker = self._app.run_worker(guarded, group=group, exclusive=exclusive, exit_on_error=False)
        if group.partition(" ")[0] not in LOCAL:
            self._bound = {each for each in self._bound if not each.is_finished} | {worker}
        return worker

    def cancel(self, group: str) -> None:
        """Cancel what a group does."""
        self._app.workers.cancel_group(self._app, group)

    @property
    def groups(self) -> set[str]:
        """The groups that are at work, without their subjects."""
        return {worker.group.partition(" ")[0] for worker in self._app.workers if not worker.is_finished}

    def take_bound(self) -> list[Worker[Any]]:
        """Cancel all work over the connection; return what has not ended yet."""
        bound = [worker for worker in self._bound if not worker.is_finished]
        self._bound.clear()
        for worker in bound:
            worker.cancel()
        return bound

    @staticmethod
    async def ended(workers: Sequence[Worker[Any]]) -> None:
        """Wait until some work that was cancelled has ended, for some seconds at most."""
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
            # Nobody is left to hear of it: like work that was cancelled, it has no result.
            raise asyncio.CancelledError from None
