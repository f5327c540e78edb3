"""Takes output in slices, so that a program that floods does not keep the user's keys waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

SLICE = 8 * 1024
"""Bytes taken at once: about a millisecond of work in the worst case."""

BUSY_SECONDS = 0.001
"""How long output may block the event loop, in seconds: a key needs several turns of the loop."""

TURNS = 6
"""Turns of the event loop given to others each time: a key, its echo and the frame need several."""


async def slices(data: bytes) -> AsyncIterator[bytes]:
    """Yield data piece by piece, and let others work in between and at the end.

    Nothing more is read meanwhile, so that the sandbox waits instead of memory growing.
    """
    began = time.perf_counter()
    for start in range(0, len(data), SLICE):
        yield data[start : start + SLICE]
        if time.perf_counter() - began > BUSY_SECONDS:
            await _let_others_work()
            began = time.perf_counter()
    # A stream that always has data ready never yields to the event loop by itself.
    await _let_others_work()


async def _let_others_work() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
