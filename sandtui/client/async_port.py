"""The port of the asynchronous client, on one event loop."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Final, cast

from sandtui.client.blocking_port import BlockingPort
from sandtui.client.call import StreamedBody
from sandtui.client.connections import Connections, LoopConnections
from sandtui.client.crew import TaskCrew, fan_out
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
from sandtui.client.port import K, Outcome, P, Sink, T, TransportFault, WireReply, WireRequest
from sandtui.client.routes import AsyncRoutedTransport, Routes


class AsyncPort:
    """Suspends while it waits."""

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

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireReply:
        """Send a request; see :meth:`Port.send`."""
        # What is sent is read ahead in threads already, and was slower when sent by them too.
        if sink is not None and self._threads is not None and self._threads.is_free:
            return await self._threads.send(request, sink)
        try:
            async with self._client() as http, _body(request) as content, asyncio.timeout(request.deadline):
                if sink is None:
                    async with http.stream(**arguments(request, content)) as reply:
                        return WireReply(reply.status_code, reply.headers, await _whole(reply, request.deadline))
                async with http.stream(**arguments(request, content, identity=True)) as reply:
                    if not reply.is_success:
                        return WireReply(reply.status_code, reply.headers, await _whole(reply, request.timeout))
                    await self._pour(reply, sink)
                    return WireReply(reply.status_code, reply.headers, b"")
        except TimeoutError:
            raise TransportFault("it takes too long", sent=True, timeout=True) from None
        except FAULTS as error:
            raise fault(error) from None

    async def _pour(self, reply: httpx.Response, sink: Sink) -> None:
        """Hand a body to a sink, in threads, some pieces at once."""

        async def call(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
            # To its end: what uses the sink's file must not outlive the file.
            await self.shielded(self.work(function, *args, **kwargs))

        await call(sink.begin, length_of(reply.headers))
        gathered = bytearray()
        async for piece in reply.aiter_bytes():
            gathered += piece
            if len(gathered) >= READ_AT_ONCE:
                await call(sink.take, bytes(gathered))
                gathered.clear()
        if gathered:
            await call(sink.take, bytes(gathered))

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncIterator[AsyncReply]:
        """Send a request and read its reply as it comes; see :meth:`Port.stream`."""
        try:
            async with (
                self._client() as http,
                _body(request) as content,
                http.stream(**arguments(request, content, identity=True)) as reply,
            ):
                yield AsyncReply(reply, request.deadline)
        except FAULTS as error:
            raise fault(error) from None

    async def sleep(self, seconds: float) -> None:
        """Wait without holding up the loop."""
        await asyncio.sleep(seconds)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a lock between tasks."""
        return asyncio.Lock()

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that blocks in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key in tasks; leaving early cancels those that still run."""
        return fan_out(self, keys, flow, at_once)

    def crew(self, at_once: int) -> TaskCrew[Any, Any]:
        """Return a crew of tasks."""
        return TaskCrew(at_once)

    @asynccontextmanager
    async def beside(self, flow: Coroutine[Any, Any, T]) -> AsyncIterator[Awaitable[T]]:
        """Run a flow in a task of its own while the block runs."""
        task = asyncio.ensure_future(flow)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.exception()  # taken note of: who wanted to know has awaited it

    async def shielded(self, flow: Coroutine[Any, Any, T], patience: float | None = None) -> T:
        """Carry a flow through in a task of its own; see :meth:`Port.shielded`."""
        task = asyncio.ensure_future(flow)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # The cancellation is what the caller gets, whatever becomes of the flow.
            task.add_done_callback(_noted)
            if not task.done():
                await asyncio.wait({task}, timeout=patience)
            raise

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


def _noted(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


class AsyncReply:
    """A reply that is read piece by piece."""

    def __init__(self, reply: httpx.Response, deadline: float | None) -> None:
        self._reply = reply
        self._deadline = deadline
        self._ends = None if deadline is None else asyncio.get_running_loop().time() + deadline
        self.status_code = reply.status_code
        self.headers = reply.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        async with aclosing(_wire_pieces(self._reply)) as pieces:
            while True:
                try:
                    # Around each wait alone: between them the caller runs, and must not be cancelled.
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


async def _whole(reply: httpx.Response, deadline: float | None) -> bytes:
    body = BoundedBody(reply.headers, deadline)
    if reply.is_stream_consumed:
        return reply.content
    async for piece in reply.aiter_raw():
        body.take(piece)
    return body.whole()


async def _wire_pieces(reply: httpx.Response) -> AsyncGenerator[bytes, None]:
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise TransportFault("the reply is packed, unasked", sent=True, timeout=False)
    if reply.is_stream_consumed:
        yield reply.content
        return
    async for piece in reply.aiter_raw():
        yield piece


@asynccontextmanager
async def _body(request: WireRequest) -> AsyncIterator[bytes | AsyncIterator[bytes] | None]:
    """Give the body of a request, and close what it is read from whatever becomes of the request."""
    if not isinstance(request.body, StreamedBody):
        yield request.body
        return
    async with aclosing(_threaded(request.body)) as content:
        yield content


_END: Final = object()


async def _threaded(body: StreamedBody) -> AsyncGenerator[bytes, None]:
    """Read a body in threads, one piece ahead, so that neither the disk nor the network waits for the other."""
    pieces = body.open()
    try:
        coming = asyncio.ensure_future(asyncio.to_thread(next, pieces, _END))
        try:
            # An empty piece is a piece: only the mark is the end.
            while (piece := await coming) is not _END:
                coming = asyncio.ensure_future(asyncio.to_thread(next, pieces, _END))
                yield cast("bytes", piece)
        finally:
            # A thread that still reads must be done before the file is closed.
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
