"""The port of the synchronous client. Thread-safe."""

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
from sandtui.client.exchange import (
    FAULTS,
    LIMITS,
    READ_AT_ONCE,
    BoundedBody,
    arguments,
    bytes_to_read_directly,
    fault,
    length_of,
)
from sandtui.client.http_library import httpx
from sandtui.client.network_deadline import Exchange, NetworkDeadline
from sandtui.client.port import K, Outcome, P, Sink, T, TransportFault, WireRequest, WireResponse
from sandtui.client.routes import RoutedTransport, Routes
from sandtui.client.workers import ThreadWorkers, fan_out


class BlockingPort:
    """Blocks: its coroutines never suspend."""

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

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireResponse:
        """Send a request; see :meth:`Port.send`."""
        try:
            with self._client() as http, _body(request) as content, self._deadline.within(request.deadline):
                if sink is None:
                    with http.stream(**arguments(request, content)) as response:
                        return WireResponse(response.status_code, response.headers, _whole(response, request.deadline))
                with http.stream(**arguments(request, content, identity=True)) as response:
                    if not response.is_success:
                        return WireResponse(response.status_code, response.headers, _whole(response, request.timeout))
                    sink.begin(length_of(response.headers))
                    # Raw: decoding and re-chunking would copy each byte twice more.
                    plain = "content-encoding" not in response.headers and not response.is_stream_consumed
                    left = 0
                    # Kept in a variable: the connection is closed when it is collected.
                    pieces = response.iter_raw() if plain else response.iter_bytes()
                    for piece in pieces:
                        sink.take(piece)
                        left = bytes_to_read_directly(response, len(piece)) if plain else 0
                        if left:
                            break
                    while left:
                        piece = response.extensions["network_stream"].read(min(left, READ_AT_ONCE), request.timeout)
                        if not piece:
                            raise TransportFault("the response broke off", sent=True, timeout=False)
                        left -= len(piece)
                        sink.take(piece)
                    return WireResponse(response.status_code, response.headers, b"")
        except FAULTS as error:
            raise fault(error) from None

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncIterator[BlockingResponse]:
        """Send a request and stream the response; see :meth:`Port.stream`."""
        try:
            with self._client() as http, _body(request) as content, ExitStack() as cleanup:
                # Only up to the response head: after that, time passes in the caller too.
                with self._deadline.within(request.deadline):
                    response = cleanup.enter_context(http.stream(**arguments(request, content, identity=True)))
                yield BlockingResponse(response, request.deadline)
        except FAULTS as error:
            raise fault(error) from None

    def cut_by(self, exchange: Exchange) -> AbstractContextManager[None]:
        """Let another thread cut the network I/O of this thread in the block."""
        return self._deadline.cut_by(exchange)

    async def sleep(self, seconds: float) -> None:
        """Sleep in the caller's thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - this port blocks by contract

    def monotonic(self) -> float:
        """Return the time of a monotonic clock in seconds."""
        return time.monotonic()

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a lock between threads."""
        return _ThreadLock()

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the caller's thread."""
        return function(*args, **kwargs)

    def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key in threads; leaving early waits for running ones and starts no more."""
        return fan_out(self, keys, flow, at_once)

    def workers(self, at_once: int) -> ThreadWorkers[Any, Any]:
        """Return workers in threads."""
        return ThreadWorkers(at_once)

    @asynccontextmanager
    async def concurrently(self, flow: Coroutine[Any, Any, T]) -> AsyncIterator[Awaitable[T]]:
        """Run a flow when it is awaited."""
        try:
            yield flow
        finally:
            flow.close()

    async def shielded(self, flow: Coroutine[Any, Any, T], grace: float | None = None) -> T:
        """Run a flow; nothing can cancel it here."""
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


class BlockingResponse:
    """A streamed response."""

    def __init__(self, response: httpx.Response, deadline: float | None) -> None:
        self._reply = response
        self._deadline = deadline
        self._ends = None if deadline is None else time.monotonic() + deadline
        self.status_code = response.status_code
        self.headers = response.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        if self.headers.get("content-encoding", "identity") != "identity":
            raise TransportFault("the response is packed, unasked", sent=True, timeout=False)
        for piece in (self._reply.content,) if self._reply.is_stream_consumed else self._reply.iter_raw():
            yield piece
            if self._ends is not None and time.monotonic() > self._ends:
                raise TransportFault("it takes too long", sent=True, timeout=True)

    async def read(self) -> bytes:
        """Return the whole body."""
        return _whole(self._reply, self._deadline)


class _ThreadLock:
    """A thread lock with an asynchronous interface."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def _whole(response: httpx.Response, deadline: float | None) -> bytes:
    body = BoundedBody(response.headers, deadline)
    if response.is_stream_consumed:
        return response.content
    for piece in response.iter_raw():
        body.take(piece)
    return body.whole()


@contextmanager
def _body(request: WireRequest) -> Iterator[bytes | Iterator[bytes] | None]:
    """Provide the body of a request and close its source afterwards."""
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
