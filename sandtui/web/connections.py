"""Bounds on the connections of the web server that its library does not have."""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

MAX_UNSENT: Final = 1024 * 1024
"""The most bytes that wait in a connection whose browser reads nothing: what it asks for with pings is sent anyway."""

SLICE: Final = 4 * 1024
"""Bytes that are taken apart at a time: thousands of frames fit into what one read returns."""

MAX_WAITING: Final = 4096
"""The most messages that wait to be read."""

SPARE, SPARE_A_SECOND = 1000, 50
"""Frames for which the library never stops reading (pings, pongs, parts of a message): at once, and each second."""


class BoundedSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which takes any number of frames and answers every ping, even if nobody reads the answers."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._spent, self._spent_at = 0.0, self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take data apart, until there is too much."""
        for start in range(0, len(data), SLICE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + SLICE])
            if self.queue.qsize() > MAX_WAITING:
                self.transport.abort()

    def handle_ping(self) -> None:
        """Answer a ping."""
        super().handle_ping()
        self._spend()
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.transport.abort()

    def handle_pong(self, event: Frame) -> None:
        """Take the answer to a ping."""
        self._spend()
        super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Take a further part of a message."""
        self._spend()
        super().handle_cont(event)

    def _spend(self) -> None:
        now = self.loop.time()
        self._spent = max(0.0, self._spent - (now - self._spent_at) * SPARE_A_SECOND) + 1
        self._spent_at = now
        if self._spent > SPARE:
            self.transport.abort()
