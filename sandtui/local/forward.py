"""Carries bytes between a loopback port and a sandbox, both ways, untouched: WebSockets and event streams pass."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Final, cast

from sandtui.local.connections import HEAD_SECONDS, room
from sandtui.local.drivers.base import DriverError

MAX_CONNECTIONS: Final = 1000
"""Connections of one port at once, as far as the limit of descriptors allows."""

LOOPBACK: Final = "127.0.0.1"

Dial = Callable[[], Awaitable[socket.socket]]


class Head:
    """Gives a client a time for the head of its first request; only HTTP has one."""

    def __init__(self) -> None:
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Close the connection should the head not come in time."""
        self._timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, transport.abort)

    def feed(self, data: bytes) -> bool:
        """Return whether the head is whole."""
        seen = self._tail + data
        self._tail = seen[-3:]
        return b"\n\r\n" in seen or b"\n\n" in seen

    def end(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()


class Side(asyncio.Protocol):
    """One of two connections whose bytes go to the other."""

    def __init__(self, closed: Callable[[], None] | None = None, head: Head | None = None) -> None:
        self.head = head
        self.peer: Side | None = None
        self.transport: asyncio.Transport | None = None
        self._closed = closed
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take hold of the connection."""
        self.transport = cast("asyncio.Transport", transport)
        if self.head is not None:
            self.head.begin(self.transport)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on."""
        for side in (self, self.peer):
            # An answer ends the wait as well: a server may speak first.
            if side is not None and side.head is not None and (side is not self or self.head_is_whole(data)):
                side.head.end()
                side.head = None
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def head_is_whole(self, data: bytes) -> bool:
        """Whether the head that is waited for has come."""
        return self.head is not None and self.head.feed(data)

    def eof_received(self) -> bool:
        """Hand the end of one direction on; the other may go on for long."""
        self._ended = True
        peer = self.peer
        if peer is None or peer.transport is None:
            return False
        if peer._ended:
            peer.transport.close()
            return False
        with contextlib.suppress(OSError, RuntimeError):
            peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Let the other side wait: this one reads too slowly."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other side go on."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """End the other side too, with a reset when this one broke."""
        if self.head is not None:
            self.head.end()
        peer, self.peer, self.transport = self.peer, None, None
        if peer is not None and peer.transport is not None:
            peer.transport.abort() if error is not None else peer.transport.close()
        if self._closed is not None:
            self._closed()


async def join(first: socket.socket, second: socket.socket, head: Head | None = None) -> None:
    """Carry bytes between two connected sockets until both directions have ended; closes both.

    With a ``head`` the first has to send one in time.
    """
    loop = asyncio.get_running_loop()
    ends = asyncio.Event(), asyncio.Event()
    sides = Side(ends[0].set, head), Side(ends[1].set)
    sides[0].peer, sides[1].peer = sides[1], sides[0]
    for sock in (first, second):
        sock.setblocking(False)
    await loop.create_connection(lambda: sides[0], sock=first)
    cast("asyncio.Transport", sides[0].transport).pause_reading()
    await loop.create_connection(lambda: sides[1], sock=second)
    if sides[0].transport is not None:
        sides[0].transport.resume_reading()
    try:
        for end in ends:
            await end.wait()
    finally:
        for side in sides:
            if side.transport is not None:
                side.transport.abort()
        # Only then are the sockets closed; closing one under its transport would hand its number to another.
        for end in ends:
            await end.wait()


class Forwarder:
    """A loopback port that leads into a sandbox."""

    def __init__(self, dial: Dial, *, is_http: bool) -> None:
        self._dial = dial
        self._is_http = is_http
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, port: int = 0) -> int:
        """Listen, on ``port`` when it is free, and return the port."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                if not port:
                    raise
                listener.bind((LOOPBACK, 0))
            listener.listen(256)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener), name="forward")
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        tasks = list(self._connections)
        if self._accepting is not None:
            tasks.append(self._accepting)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._listener is not None:
            self._listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:
                # Out of descriptors, most likely: those who wait stay in the queue.
                await asyncio.sleep(0.1)
                continue
            if len(self._connections) >= min(MAX_CONNECTIONS, room(4)):
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(self._serve(client), name="forwarded connection")
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, client: socket.socket) -> None:
        try:
            try:
                target = await self._dial()
            except DriverError as error:
                if self._is_http:
                    await _answer(client, str(error))
                client.close()
                return
            await join(client, target, Head() if self._is_http else None)
        except OSError:
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise


async def _answer(client: socket.socket, detail: str) -> None:
    """Say in HTTP why there is no answer; a closed connection would tell a browser nothing."""
    loop = asyncio.get_running_loop()
    body = json.dumps({"error": "bad_gateway", "detail": detail}).encode()
    head = (
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with contextlib.suppress(TimeoutError):
        # The request is read first: a reset would otherwise overtake the answer.
        async with asyncio.timeout(5.0):
            await loop.sock_recv(client, 65536)
            await loop.sock_sendall(client, head.encode("ascii") + body)
