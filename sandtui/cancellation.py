"""Work that a cancellation must not cut short, such as cleaning up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_to_end(work: Coroutine[Any, Any, T], grace: float | None = None) -> T:
    """Run a coroutine to its end in a task that the caller's cancellation does not reach, and return its result.

    A cancelled caller still waits for the end, but no longer than ``grace`` seconds and not past a second
    cancellation; then it gets its cancellation, whatever the work's result. The work goes on in any case.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        # Nobody else asks for its error.
        task.add_done_callback(_retrieve)
        if not task.done():
            await asyncio.wait({task}, timeout=grace)
        raise
    return task.result()


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
