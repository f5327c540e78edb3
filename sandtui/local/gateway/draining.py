"""Reads all that an ended process left in its output streams, however busy the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

TURNS: Final = 10
TURN_SECONDS: Final = 0.01
MAX_BYTES: Final = 1024 * 1024
"""More than a pipe or a terminal holds: anything beyond was written by another process, after the end."""


class Flow:
    """Counts the chunks read from a process, and the readers that are blocked by their consumer."""

    def __init__(self) -> None:
        self.moved = 0
        self.held = 0

    async def forward(self, chunk: bytes, to: Callable[[bytes], Awaitable[None]]) -> None:
        """Pass a chunk to a consumer; until it is taken, a silent stream does not count as drained."""
        self.moved += len(chunk)
        self.held += 1
        try:
            await to(chunk)
        finally:
            self.held -= 1


async def drain(reading: asyncio.Future[Any], flow: Flow) -> None:
    """Wait until the readers have taken what a process wrote before its end.

    Background children may keep the streams open, and write to them, for a long time; they are not waited for. The
    wait is counted in turns of the event loop, in each of which a reader empties its pipe: on a busy machine, a time
    limit alone could pass before the readers had a turn, and the output would be lost.
    """
    limit = flow.moved + MAX_BYTES
    turns = 0
    while not reading.done() and turns < TURNS and flow.moved < limit:
        await asyncio.wait({reading}, timeout=TURN_SECONDS)
        turns += not flow.held
