"""The port of the synchronous client; usable from several threads."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

from sandtui.client.call import StreamedBody
from sandtui.client.connections import Connections
from sandtui.client.crew import ThreadCrew, fan_out
from sandtui.client.exchange import (
    FAULTS,
    LIMITS,
    READ_AT_ONCE,
    BoundedBody,
    arguments,
    bytes_to_pass_by,
    fault,
    length_of,
)
from sandtui.client.http_library import httpx
from sandtui.client.network_deadline import Exchange, NetworkDeadline
from sandtui.client.port import K, Outcome, P, Sink, T, TransportFault, WireReply, WireRequest
from sandtui.client.routes import RoutedTransport, Routes


class BlockingPort:
    """Does all its work before it returns: its coroutines never suspend."""

    def __init__(self, transport: httpx.BaseTransport | None = None, routes: Routes | None = None) -> None:
        routes = routes or Routes()
        self._deadline = NetworkDeadline()

        def make(limits: httpx.Limits) -> httpx.Client:
            def connect(verify: ssl.SSLContext, proxy: httpx.Proxy | None) -> httpx.BaseTransport:
                return self._deadline.transport(verify, proxy, limits)

            return httpx.Client(
                transport=transport or RoutedTransport(connect, routes), follow_redirects=False, trust_env=False
            )

        self._connections = Connections(make, LIMITS)

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireReply:
        """Send a request; see :meth:`Port.send`."""
        try:
            with self._client() as http, _body(request) as content, self._deadline.within(request.deadline):
                if sink is None:
                    with http.stream(**arguments(request, content)) as reply:
                        return WireReply(reply.status_code, reply.headers, _whole(reply, request.deadline))
                with http.stream(**arguments(request, content, identity=True)) as reply:
                    if not reply.is_success:
                        return WireReply(reply.status_code, reply.headers, _whole(reply, request.timeout))
                    sink.begin(length_of(reply.headers))
                    # As it came: decoding and cutting anew would copy each byte twice more.
                    plain = "content-encoding" not in reply.headers and not reply.is_stream_consumed
                    left = 0
                    # Kept by a name: the connection is closed with it.
                    pieces = reply.iter_raw() if plain else reply.iter_bytes()
                    for piece in pieces:
                        sink.take(piece)
                        left = bytes_to_pass_by(reply, len(piece)) if plain else 0
                        if left:
                            break
                    while left:
                        piece = reply.extensions["network_stream"].read(min(left, READ_AT_ONCE), request.timeout)
                        if not piece:
                            raise TransportFault("the reply broke off", sent=True, timeout=False)
                        left -= len(piece)
                        sink.take(piece)
                    return WireReply(reply.status_code, reply.headers, b"")
        except FAULTS as error:
            raise fault(error) from None

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncIterator[BlockingReply]:
        """Send a request and read its reply as it comes; see :meth:`Port.stream`."""
        try:
            with self._client() as http, _body(request) as content, ExitStack() as cleanup:
                # Up to the head of the reply alone: what comes then is the caller's time too.
                with self._deadline.within(request.deadline):
                    reply = cleanup.enter_context(http.stream(**arguments(request, content, identity=True)))
                yield BlockingReply(reply, request.deadline)
        except FAULTS as error:
            raise fault(error) from None

    def cut_by(self, exchange: Exchange) -> AbstractContextManager[None]:
        """Let another thread end what the present one sends and reads in the block."""
        return self._deadline.cut_by(exchange)

    async def sleep(self, seconds: float) -> None:
        """Wait in the caller's thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - this port blocks by contract

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a lock between threads."""
        return _ThreadLock()

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it here and now."""
        return function(*args, **kwargs)

    def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key in threads; leaving early waits for those that run and starts no more."""
        return fan_out(self, keys, flow, at_once)

    def crew(self, at_once: int) -> ThreadCrew[Any, Any]:
        """Return a crew of threads."""
        return ThreadCrew(at_once)

    @asynccontextmanager
    async def beside(self, flow: Coroutine[Any, Any, T]) -> AsyncIterator[Awaitable[T]]:
        """Run a flow when the block awaits it."""
        try:
            yield flow
        finally:
            flow.close()

    async def shielded(self, flow: Coroutine[Any, Any, T], patience: float | None = None) -> T:
        """Carry a flow through; nothing can cancel it here."""
        return await flow

    async def aclose(self) -> None:
        """Close every connection."""
        for http in self._connections.all():
            http.close()

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        for unused in self._connections.unused():
            unused.close()
        with self._connections.one() as http:
            yield http


class BlockingReply:
    """A reply that is read piece by piece."""

    def __init__(self, reply: httpx.Response, deadline: float | None) -> None:
        self._reply = reply
        self._deadline = deadline
        self._ends = None if deadline is None else time.monotonic() + deadline
        self.status_code = reply.status_code
        self.headers = reply.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        if self.headers.get("content-encoding", "identity") != "identity":
            raise TransportFault("the reply is packed, unasked", sent=True, timeout=False)
        for piece in (self._reply.content,) if self._reply.is_stream_consumed else self._reply.iter_raw():
            yield piece
            if self._ends is not None and time.monotonic() > self._ends:
                raise TransportFault("it takes too long", sent=True, timeout=True)

    async def read(self) -> bytes:
        """Return the whole body."""
        return _whole(self._reply, self._deadline)


class _ThreadLock:
    """A thread's lock in the dress of an asynchronous one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def _whole(reply: httpx.Response, deadline: float | None) -> bytes:
    body = BoundedBody(reply.headers, deadline)
    if reply.is_stream_consumed:
        return reply.content
    for piece in reply.iter_raw():
        body.take(piece)
    return body.whole()


@contextmanager
def _body(request: WireRequest) -> Iterator[bytes | Iterator[bytes] | None]:
    """Give the body of a request, and close what it is read from whatever becomes of the request."""
    if not isinstance(request.body, StreamedBody):
        yield request.body
        return
    pieces = request.body.open()
    try:
        yield pieces
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
