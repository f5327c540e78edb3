"""What an ended process has left in its streams: all of it is read, however busy this machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

TURNS: Final = 10
TURN_SECONDS: Final = 0.01
MOST: Final = 1024 * 1024
"""More than a pipe or a terminal holds: what comes after it was written by somebody else, after the end."""


class Flow:
    """Counts what the readers of a process took, and how many of them wait for their own reader."""

    def __init__(self) -> None:
        self.moved = 0
        self.held = 0

    async def hand_on(self, chunk: bytes, to: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand a chunk on; as long as that takes, silence means nothing."""
        self.moved += len(chunk)
        self.held += 1
        try:
            await to(chunk)
        finally:
            self.held -= 1


async def drain(reading: asyncio.Future[Any], flow: Flow) -> None:
    """Wait until the readers have taken what a process wrote before its end.

    Children in the background may hold the streams open, and write to them, for long; they are not waited for.
    The wait is counted in turns of the event loop, in each of which a reader empties its pipe: on a busy machine a
    clock alone would run out before the readers had a turn, and the output would be lost.
    """
    limit = flow.moved + MOST
    turns = 0
    while not reading.done() and turns < TURNS and flow.moved < limit:
        await asyncio.wait({reading}, timeout=TURN_SECONDS)
        turns += not flow.held
