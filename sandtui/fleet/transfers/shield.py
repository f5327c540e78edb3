"""Cleaning up that is carried through, whoever cancels meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def carried_through(work: Coroutine[Any, Any, None]) -> None:
    """Carry some work through to its end, then be cancelled if that was asked for."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        raise
