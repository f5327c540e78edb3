"""The output of an interactive process, buffered for one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

from sandtui.client.errors import APIError

MAX_BUFFERED = 16 * 1024 * 1024
"""Maximum number of buffered bytes per stream."""


class OutputBuffer:
    """An asynchronous iterator of bytes with a bounded buffer.

    A slow reader holds up the process. If nobody has started to read, or ``may_wait`` returns false, the oldest bytes
    are dropped, and an :class:`APIError` is raised in their place. Iteration can continue after it.
    """

    def __init__(self, name: str, may_wait: Callable[[], bool], limit: int = MAX_BUFFERED) -> None:
        self._name, self._may_wait, self._limit = name, may_wait, limit
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._ended = False
        self._reading = False
        self._arrived = asyncio.Event()
        self._space = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Append a piece."""
        while self._size >= self._limit and self._reading and self._may_wait():
            self._space.clear()
            await self._space.wait()
        self._pieces.append(data)
        self._size += len(data)
        while self._size > self._limit and len(self._pieces) > 1:
            dropped = len(self._pieces.popleft())
            self._size -= dropped
            self._lost += dropped
        self._arrived.set()

    def end(self) -> None:
        """Mark the end of the stream."""
        self._ended = True
        self._arrived.set()

    def wake(self) -> None:
        """Make the writer check again whether it may wait."""
        self._space.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._reading = True
        while not self._pieces and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            raise APIError(f"{lost:,} bytes of {self._name} were not read in time and are lost")
        if not self._pieces:
            raise StopAsyncIteration
        piece = self._pieces.popleft()
        self._size -= len(piece)
        self._space.set()
        return piece
