"""The port of the asynchronous client, on one event loop."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Final, cast

from sandtui.cancellation import run_to_end
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.call import StreamedBody
from sandtui.client.connections import Connections, LoopConnections
from sandtui.client.download_threads import DownloadThreads
from sandtui.client.exchange import (
    FAULTS,
    LIMITS,
    READ_AT_ONCE,
    BoundedBody,
    arguments,
    fault,
    length_of,
)
from sandtui.client.http_library import httpx
from sandtui.client.port import K, Outcome, P, Sink, T, TransportFault, WireRequest, WireResponse
from sandtui.client.routes import AsyncRoutedTransport, Routes
from sandtui.client.workers import TaskWorkers, fan_out


class AsyncPort:
    """Does I/O on the event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, limits: httpx.Limits = LIMITS) -> None:
        routes = Routes()

        def make(limits: httpx.Limits) -> httpx.AsyncClient:
            def connect(verify: ssl.SSLContext, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
                return httpx.AsyncHTTPTransport(verify=verify, proxy=proxy, limits=limits)

            return httpx.AsyncClient(
                transport=transport or AsyncRoutedTransport(connect, routes), follow_redirects=False, trust_env=False
            )

        self._connections = LoopConnections(lambda: Connections(make, limits))
        self._threads = DownloadThreads(lambda: BlockingPort(routes=routes)) if transport is None else None

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireResponse:
        """Send a request; see :meth:`Port.send`."""
        # Only downloads: uploads are read ahead in threads, and sending them from threads was slower.
        if sink is not None and self._threads is not None and self._threads.is_free:
            return await self._threads.send(request, sink)
        try:
            async with self._client() as http, _body(request) as content, asyncio.timeout(request.deadline):
                if sink is None:
                    async with http.stream(**arguments(request, content)) as response:
                        return WireResponse(
                            response.status_code, response.headers, await _whole(response, request.deadline)
                        )
                async with http.stream(**arguments(request, content, identity=True)) as response:
                    if not response.is_success:
                        return WireResponse(
                            response.status_code, response.headers, await _whole(response, request.timeout)
                        )
                    await self._pour(response, sink)
                    return WireResponse(response.status_code, response.headers, b"")
        except TimeoutError:
            raise TransportFault("it takes too long", sent=True, timeout=True) from None
        except FAULTS as error:
            raise fault(error) from None

    async def _pour(self, response: httpx.Response, sink: Sink) -> None:
        """Pass a body to a sink in threads, several pieces at a time."""

        async def call(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
            # Shielded: nothing may use the sink's file after it is closed.
            await self.shielded(self.work(function, *args, **kwargs))

        await call(sink.begin, length_of(response.headers))
        gathered = bytearray()
        async for piece in response.aiter_bytes():
            gathered += piece
            if len(gathered) >= READ_AT_ONCE:
                await call(sink.take, bytes(gathered))
                gathered.clear()
        if gathered:
            await call(sink.take, bytes(gathered))

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncIterator[AsyncResponse]:
        """Send a request and stream the response; see :meth:`Port.stream`."""
        try:
            async with (
                self._client() as http,
                _body(request) as content,
                http.stream(**arguments(request, content, identity=True)) as response,
            ):
                yield AsyncResponse(response, request.deadline)
        except FAULTS as error:
            raise fault(error) from None

    async def sleep(self, seconds: float) -> None:
        """Sleep without blocking the loop."""
        await asyncio.sleep(seconds)

    def monotonic(self) -> float:
        """Return the time of a monotonic clock in seconds."""
        return time.monotonic()

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a lock between tasks."""
        return asyncio.Lock()

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key in tasks; leaving early cancels the unfinished ones."""
        return fan_out(self, keys, flow, at_once)

    def workers(self, at_once: int) -> TaskWorkers[Any, Any]:
        """Return workers in tasks."""
        return TaskWorkers(at_once)

    @asynccontextmanager
    async def concurrently(self, flow: Coroutine[Any, Any, T]) -> AsyncIterator[Awaitable[T]]:
        """Run a flow in a task while the block runs."""
        task = asyncio.ensure_future(flow)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.exception()  # retrieved; the block has awaited it if it wanted to

    async def shielded(self, flow: Coroutine[Any, Any, T], grace: float | None = None) -> T:
        """Run a flow in a task that the caller's cancellation does not reach; see :meth:`Port.shielded`."""
        return await run_to_end(flow, grace)

    async def aclose(self) -> None:
        """Close every connection."""
        for http in self._connections.close():
            await http.aclose()
        if self._threads is not None:
            await self._threads.aclose()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        connections = self._connections.here()
        for unused in connections.unused():
            await unused.aclose()
        with connections.one() as http:
            yield http


class AsyncResponse:
    """A streamed response."""

    def __init__(self, response: httpx.Response, deadline: float | None) -> None:
        self._reply = response
        self._deadline = deadline
        self._ends = None if deadline is None else asyncio.get_running_loop().time() + deadline
        self.status_code = response.status_code
        self.headers = response.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        async with aclosing(_wire_pieces(self._reply)) as pieces:
            while True:
                try:
                    # Only around each read: between reads the caller runs, and must not be cancelled.
                    async with asyncio.timeout_at(self._ends):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise TransportFault("it takes too long", sent=True, timeout=True) from None
                yield piece

    async def read(self) -> bytes:
        """Return the whole body."""
        return await _whole(self._reply, self._deadline)


async def _whole(response: httpx.Response, deadline: float | None) -> bytes:
    body = BoundedBody(response.headers, deadline)
    if response.is_stream_consumed:
        return response.content
    async for piece in response.aiter_raw():
        body.take(piece)
    return body.whole()


async def _wire_pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise TransportFault("the response has an unrequested encoding", sent=True, timeout=False)
    if response.is_stream_consumed:
        yield response.content
        return
    async for piece in response.aiter_raw():
        yield piece


@asynccontextmanager
async def _body(request: WireRequest) -> AsyncIterator[bytes | AsyncIterator[bytes] | None]:
    """Provide the body of a request and close its source afterwards."""
    if not isinstance(request.body, StreamedBody):
        yield request.body
        return
    async with aclosing(_threaded(request.body)) as content:
        yield content


_END: Final = object()


async def _threaded(body: StreamedBody) -> AsyncGenerator[bytes, None]:
    """Read a body in threads, one piece ahead, so that disk and network work at the same time."""
    pieces = body.open()
    try:
        coming = asyncio.ensure_future(asyncio.to_thread(next, pieces, _END))
        try:
            # Pieces may be empty: only the sentinel marks the end.
            while (piece := await coming) is not _END:
                coming = asyncio.ensure_future(asyncio.to_thread(next, pieces, _END))
                yield cast("bytes", piece)
        finally:
            # A thread may still be reading: wait before the file is closed.
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
