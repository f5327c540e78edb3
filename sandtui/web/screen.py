"""What a session shows now, so that a tab that comes later can draw it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from sandtui.terminal import Emulation
from sandtui.terminal.redraw import restore

SETTLE_SECONDS: Final = 0.05
"""How long output waits to be read here: sending it to the browser comes first."""

STEP: Final = 8 * 1024
"""Bytes that are read in one step: some milliseconds."""

MAX_UNREAD: Final = 256 * 1024
"""The most output that waits to be read; beyond it, the program waits."""


class SessionScreen:
    """A terminal emulation that reads behind the output, in steps that hold up nothing else."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.terminal = Emulation(*size, history=0)
        self._unread: deque[bytes] = deque()
        self._size = 0
        self._awaited = 0
        self._timer: asyncio.TimerHandle | None = None
        self.has_room = asyncio.Event()
        """Whether more output may come."""
        self.has_room.set()

    def feed(self, data: bytes) -> None:
        """Take output."""
        self._unread.append(data)
        self._size += len(data)
        self._note_room()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._run)

    def resize(self, size: tuple[int, int]) -> None:
        """Change the size. A program draws everything again, so what was not read yet does not matter."""
        self.terminal.resize(*size)

    async def redraw(self) -> bytes:
        """Return the bytes that turn any terminal into this one."""
        await self.settled()
        return restore(self.terminal)

    async def settled(self) -> None:
        """Read all output; more of it waits until then."""
        self._awaited += 1
        try:
            while self._unread:
                self._step()
                await asyncio.sleep(0)
        finally:
            self._awaited -= 1
            self._note_room()

    async def wants_focus(self) -> bool:
        """Whether the program wants to know when nobody looks."""
        await self.settled()
        return self.terminal.modes.focus_events

    def close(self) -> None:
        """Stop reading."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = None
        if self._unread:
            self._step()
        if self._unread:
            self._timer = asyncio.get_running_loop().call_later(0, self._run)

    def _step(self) -> None:
        data = self._unread.popleft()
        if len(data) > STEP:
            self._unread.appendleft(data[STEP:])
            data = data[:STEP]
        self._size -= len(data)
        self.terminal.feed(data)
        # The browser's terminal answers what the program asks.
        self.terminal.take_replies()
        self._note_room()

    def _note_room(self) -> None:
        if self._size > MAX_UNREAD or (self._awaited and self._unread):
            self.has_room.clear()
        elif self._size <= MAX_UNREAD // 2:
            self.has_room.set()
