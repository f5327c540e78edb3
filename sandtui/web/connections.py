"""Bounds on the connections of the web server that its library does not have."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_UNSENT: Final = 1024 * 1024
"""The most bytes that wait in a connection whose browser reads nothing: what it asks for with pings is sent anyway."""


class BoundedSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which answers every ping even if the answers are never read."""

    def handle_ping(self) -> None:
        """Answer a ping."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.transport.abort()
