"""Forwards a loopback port to a sandbox; HTTP is filtered by the policy for web pages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Final, cast

from sandtui.local.connections import HEAD_SECONDS, room
from sandtui.local.drivers.base import DriverError
from sandtui.local.gateway.web_policy import WebPolicy
from sandtui.local.gateway.web_relay import WebRelay

MAX_CONNECTIONS: Final = 1000
"""The most simultaneous connections of a port, if the descriptor limit allows as many."""

LOOPBACK: Final = "127.0.0.1"

Dial = Callable[[], Awaitable[socket.socket]]


class Head:
    """Limits the time that a client has to send the head of its first request; used for HTTP only."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Close the connection unless the head arrives in time."""
        self._timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, transport.abort)

    def end(self) -> None:
        """Cancel the limit: the head has arrived."""
        if self._timer is not None:
            self._timer.cancel()


class ForwardEnd(asyncio.Protocol):
    """One of two connections that are joined: what it receives is sent to the other."""

    def __init__(self, closed: Callable[[], None] | None = None, head: Head | None = None) -> None:
        self.head = head
        self.peer: ForwardEnd | None = None
        self.transport: asyncio.Transport | None = None
        self.receive: Callable[[bytes], None] | None = None
        """Receives data in place of the peer; empty data is the end of the stream."""
        self._closed = closed
        self._ended = False
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport and start the limit for the head."""
        self.transport = cast("asyncio.Transport", transport)
        if self.head is not None:
            self.head.begin(self.transport)

    def data_received(self, data: bytes) -> None:
        """Pass data to the peer."""
        if self.receive is not None:
            self.receive(data)
            return
        if self.peer is not None:
            self.peer.write(data)

    def eof_received(self) -> bool:
        """Pass the end of this direction to the peer; the other direction may stay open for a long time."""
        self._ended = True
        peer = self.peer
        if peer is None or peer.transport is None:
            return False
        if self.receive is not None:
            self.receive(b"")
            return self.transport is not None and not self.transport.is_closing()
        if peer._ended:
            peer.transport.close()
            return False
        peer.write_eof()
        return True

    def write(self, data: bytes) -> None:
        """Send data to this connection."""
        if self.transport is not None:
            self.transport.write(data)

    def write_eof(self) -> None:
        """Send the end of the stream; close the connection if the other end has sent its own."""
        if self.transport is None:
            return
        if self._ended:
            self.transport.close()
            return
        with contextlib.suppress(OSError, RuntimeError):
            self.transport.write_eof()

    def close(self) -> None:
        """Close the connection once everything is sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Reset the connection."""
        if self.transport is not None:
            self.transport.abort()

    def pause(self, is_paused: bool) -> None:
        """Pause or resume reading; it stays paused while the peer's buffer is full."""
        if self.transport is None:
            return
        if is_paused:
            self.transport.pause_reading()
        elif self.peer is None or not self.peer._is_full:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """Pause the peer: this connection reads too slowly."""
        self._is_full = True
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume the peer."""
        self._is_full = False
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Close the peer too; abort it if this connection failed."""
        if self.head is not None:
            self.head.end()
        peer, self.peer, self.transport = self.peer, None, None
        if peer is not None and peer.transport is not None:
            peer.transport.abort() if error is not None else peer.transport.close()
        if self._closed is not None:
            self._closed()


async def join(first: socket.socket, second: socket.socket, policy: WebPolicy | None = None) -> None:
    """Carry data between two connected sockets until both directions have ended, then close both.

    With a policy, the sockets carry HTTP: the first must send a head in time, and the policy filters the messages.
    """
    loop = asyncio.get_running_loop()
    ends = asyncio.Event(), asyncio.Event()
    head = Head() if policy is not None else None
    sides = ForwardEnd(ends[0].set, head), ForwardEnd(ends[1].set)
    sides[0].peer, sides[1].peer = sides[1], sides[0]
    relay: WebRelay | None = None
    if policy is not None and head is not None:
        relay = WebRelay(policy, sides[0], sides[1], head.end)
        sides[0].receive, sides[1].receive = relay.from_client, relay.from_server
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
        if relay is not None:
            relay.close()
        for side in sides:
            side.abort()
        # Close the sockets only now: closing one under its transport would free its number for another.
        for end in ends:
            await end.wait()


class Forwarder:
    """A loopback port that leads into a sandbox, whose host name below localhost is ``label``."""

    def __init__(self, dial: Dial, *, is_http: bool, label: str = "sandbox") -> None:
        self._dial = dial
        self._is_http = is_http
        self._policy = WebPolicy(label) if is_http else None
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, port: int = 0) -> int:
        """Listen on ``port`` if it is free, otherwise on another; return the port."""
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
        """Stop listening and cut all connections."""
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
                # Most likely out of descriptors; waiting connections stay in the queue.
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
                    await _send_error(client, str(error))
                client.close()
                return
            await join(client, target, self._policy)
        except OSError:
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise


async def _send_error(client: socket.socket, detail: str) -> None:
    """Send the reason as an HTTP error; a browser shows nothing useful for a closed connection."""
    loop = asyncio.get_running_loop()
    body = json.dumps({"error": "bad_gateway", "detail": detail}).encode()
    head = (
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with contextlib.suppress(TimeoutError):
        # Read the request first: otherwise a reset would overtake the response.
        async with asyncio.timeout(5.0):
            await loop.sock_recv(client, 65536)
            await loop.sock_sendall(client, head.encode("ascii") + body)
