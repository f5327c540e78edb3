"""Limits on the connections of the platform: the time to send a request's head, and the number of connections."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 20.0
"""Seconds that a client has to send the head of a request, from its first byte or from the connection."""

FRESH_SECONDS: Final = 1.0
"""A connection this new is not closed to make room: its request may already be in the socket buffer."""

MAX_CONNECTIONS: Final = 4096
"""The most connections, if the descriptor limit allows as many; another machine may have a quarter of them."""

_LOOPBACK: Final = ("127.", "::1")


def room(share: int) -> int:
    """Return how many connections are allowed if they may take one descriptor in ``share``."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(32, min(MAX_CONNECTIONS, soft // share))


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with a limit on the time for a head and on the number of connections, which it has not."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None

    @property
    def idle_since(self) -> float | None:
        """The monotonic time since which no request is in progress here; None while one is."""
        return self._idle_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; if there are too many, close the one that has been idle longest."""
        super().connection_made(transport)
        self._idle_since = time.monotonic()
        self._begin_head()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the limit."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process data of a request."""
        if self._idle_since is not None:
            self._begin_head()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._idle_since = None
            self._end_head()

    def on_response_complete(self) -> None:
        """Start the limit for the next request, unless its head is here."""
        super().on_response_complete()
        if self.cycle is None or self.cycle.response_complete:
            self._idle_since = time.monotonic()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to another protocol; the platform accepts none."""
        self._idle_since = None
        self._end_head()
        super().handle_websocket_upgrade(event)

    def _begin_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._idle_since is not None:
            self.transport.close()

    def _make_room(self) -> None:
        most = room(2)
        peer = self.client[0] if self.client else ""
        known = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        if not peer.startswith(_LOOPBACK):
            own = [each for each in known if each.client and each.client[0] == peer]
            if len(own) > most // 4:
                known, most = own, most // 4
        if len(known) <= most:
            return
        now = time.monotonic()
        idle = [
            (each.idle_since, number)
            for number, each in enumerate(known)
            if each.idle_since is not None and now - each.idle_since > FRESH_SECONDS
        ]
        # The connection that has been idle longest goes; if no other is idle, the new one does.
        victim = known[min(idle)[1]] if idle else self
        victim.transport.abort()
