"""One tab that shows a session: what it still has to be sent, within bounds."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.websockets import WebSocket

MAX_PENDING: Final = 512 * 1024
"""The most bytes of output that wait for a tab; a slower one gets the screen as it then is."""

PIECE: Final = 64 * 1024

MAX_TOLD: Final = 100
"""The most messages that wait for a tab."""

STUCK_SECONDS: Final = 30.0
"""How long a tab may take none of the output before it is cut off."""


class WebViewer:
    """A tab. ``owns`` says whether its keys count; ``tab`` stays the same when the tab is reloaded."""

    def __init__(self, socket: WebSocket, tab: str, *, owns: bool, redraw: Callable[[], Awaitable[bytes]]) -> None:
        self.tab, self.owns = tab, owns
        self._socket, self._redraw = socket, redraw
        self._pieces: deque[bytes | str] = deque()
        self._pending = 0
        self._stale = True
        self._ended = False
        self._changed = asyncio.Event()
        self._changed.set()

    def send(self, data: bytes) -> None:
        """Queue output. If too much waits already, all of it is dropped, and the tab gets a redraw."""
        if self._stale:
            return
        if self._pending > MAX_PENDING:
            self.send_redraw()
            return
        self._pieces.append(data)
        self._pending += len(data)
        self._changed.set()

    def send_redraw(self) -> None:
        """Replace output that waits by the screen as it is when the tab can take it."""
        self._pieces = deque(piece for piece in self._pieces if isinstance(piece, str))
        self._pending = 0
        self._stale = True
        self._changed.set()

    def tell(self, message: Mapping[str, object]) -> None:
        """Queue a message, which is not dropped with the output."""
        if sum(isinstance(piece, str) for piece in self._pieces) < MAX_TOLD:
            self._pieces.append(json.dumps(message))
            self._changed.set()

    def end(self, message: Mapping[str, object]) -> None:
        """Send a last message, then close."""
        self.tell(message)
        self._ended = True
        self._changed.set()

    async def run(self) -> None:
        """Send what is queued until the viewer is ended.

        Raises:
            TimeoutError: the tab takes nothing.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pieces or self._stale:
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._send_next()
            if self._ended:
                return

    async def _send_next(self) -> None:
        if self._pieces and isinstance(self._pieces[0], str):
            await self._socket.send_text(str(self._pieces.popleft()))
        elif self._stale:
            # From here on the rest follows: no output comes between the screen and the flag.
            screen, self._stale = await self._redraw(), False
            await self._socket.send_bytes(screen)
        else:
            taken, size = [], 0
            while self._pieces and size < PIECE and isinstance(piece := self._pieces[0], bytes):
                self._pieces.popleft()
                taken.append(piece)
                size += len(piece)
            self._pending -= size
            await self._socket.send_bytes(b"".join(taken))
