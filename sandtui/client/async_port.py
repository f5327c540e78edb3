"""The port of the asynchronous client, on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sandtui.client.call import StreamedBody
from sandtui.client.exchange import FAULTS, LIMITS, NEVER_PROXIED, arguments, fault, length_of
from sandtui.client.http_library import httpx
from sandtui.client.port import K, Outcome, P, Sink, T, WireReply, WireRequest


class AsyncPort:
    """Suspends while it waits."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            transport=transport, limits=LIMITS, follow_redirects=True, mounts=None if transport else NEVER_PROXIED
        )

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireReply:
        """Send a request; see :meth:`Port.send`."""
        try:
            if sink is None:
                reply = await self._http.request(**arguments(request, _content(request)))
                return WireReply(reply.status_code, reply.headers, reply.content)
            async with self._http.stream(**arguments(request, _content(request), identity=True)) as reply:
                if not reply.is_success:
                    return WireReply(reply.status_code, reply.headers, await reply.aread())
                await sink.begin(length_of(reply.headers))
                # As it came: decoding and cutting anew would copy each byte twice more.
                plain = "content-encoding" not in reply.headers and not reply.is_stream_consumed
                async for piece in reply.aiter_raw() if plain else reply.aiter_bytes():
                    await sink.take(piece)
                return WireReply(reply.status_code, reply.headers, b"")
        except FAULTS as error:
            raise fault(error) from None

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncIterator[AsyncReply]:
        """Send a request and read its reply as it comes; see :meth:`Port.stream`."""
        try:
            async with self._http.stream(**arguments(request, _content(request))) as reply:
                yield AsyncReply(reply)
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

    async def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key in tasks; leaving early cancels those that still run."""
        waiting = iter(keys)
        finished: asyncio.Queue[Outcome[K, T]] = asyncio.Queue()

        async def worker() -> None:
            for key in waiting:
                try:
                    outcome: Outcome[K, T] = Outcome(key, await flow(key))
                except Exception as error:
                    outcome = Outcome(key, error=error)
                finished.put_nowait(outcome)

        workers = [asyncio.ensure_future(worker()) for _ in range(at_once)]
        done = asyncio.ensure_future(asyncio.wait(workers))
        try:
            while True:
                getter = asyncio.ensure_future(finished.get())
                await asyncio.wait({getter, done}, return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    getter.cancel()
                    break
                yield getter.result()
            while not finished.empty():
                yield finished.get_nowait()
        finally:
            for task in (*workers, done):
                task.cancel()
            await asyncio.gather(*workers, done, return_exceptions=True)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()


class AsyncReply:
    """A reply that is read piece by piece."""

    def __init__(self, reply: httpx.Response) -> None:
        self._reply = reply
        self.status_code = reply.status_code
        self.headers = reply.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        async for piece in self._reply.aiter_bytes():
            yield piece

    async def read(self) -> bytes:
        """Return the whole body."""
        return await self._reply.aread()


def _content(request: WireRequest) -> bytes | AsyncIterator[bytes] | None:
    return _threaded(request.body) if isinstance(request.body, StreamedBody) else request.body


async def _threaded(body: StreamedBody) -> AsyncIterator[bytes]:
    """Read a body in threads, one piece ahead, so that neither the disk nor the network waits for the other."""
    pieces = body.open()
    try:
        coming = asyncio.ensure_future(asyncio.to_thread(next, pieces, b""))
        try:
            while piece := await coming:
                coming = asyncio.ensure_future(asyncio.to_thread(next, pieces, b""))
                yield piece
        finally:
            # A thread that still reads must be done before the file is closed.
            await asyncio.wait([coming])
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
