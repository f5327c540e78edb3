"""The port of the synchronous client; usable from several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

from sandtui.client.call import StreamedBody
from sandtui.client.exchange import FAULTS, LIMITS, NEVER_PROXIED, arguments, fault, length_of
from sandtui.client.http_library import httpx
from sandtui.client.port import K, Outcome, P, Sink, T, WireReply, WireRequest, run_blocking


class BlockingPort:
    """Does all its work before it returns: its coroutines never suspend."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            transport=transport, limits=LIMITS, follow_redirects=True, mounts=None if transport else NEVER_PROXIED
        )

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireReply:
        """Send a request; see :meth:`Port.send`."""
        try:
            if sink is None:
                reply = self._http.request(**arguments(request, _content(request)))
                return WireReply(reply.status_code, reply.headers, reply.content)
            with self._http.stream(**arguments(request, _content(request), identity=True)) as reply:
                if not reply.is_success:
                    return WireReply(reply.status_code, reply.headers, reply.read())
                await sink.begin(length_of(reply.headers))
                # As it came: decoding and cutting anew would copy each byte twice more.
                plain = "content-encoding" not in reply.headers and not reply.is_stream_consumed
                for piece in reply.iter_raw() if plain else reply.iter_bytes():
                    await sink.take(piece)
                return WireReply(reply.status_code, reply.headers, b"")
        except FAULTS as error:
            raise fault(error) from None

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncIterator[BlockingReply]:
        """Send a request and read its reply as it comes; see :meth:`Port.stream`."""
        try:
            with self._http.stream(**arguments(request, _content(request))) as reply:
                yield BlockingReply(reply)
        except FAULTS as error:
            raise fault(error) from None

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

    async def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key in threads; leaving early waits for those that run and starts no more."""

        def one(key: K) -> Outcome[K, T]:
            try:
                return Outcome(key, run_blocking(cast("Coroutine[Any, Any, T]", flow(key))))
            except Exception as error:
                return Outcome(key, error=error)

        waiting = iter(keys)
        running: set[Future[Outcome[K, T]]] = set()
        with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="sandtui") as threads:
            while True:
                for key in waiting:
                    running.add(threads.submit(one, key))
                    if len(running) >= at_once:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()

    async def aclose(self) -> None:
        """Close every connection."""
        self._http.close()


class BlockingReply:
    """A reply that is read piece by piece."""

    def __init__(self, reply: httpx.Response) -> None:
        self._reply = reply
        self.status_code = reply.status_code
        self.headers = reply.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        for piece in self._reply.iter_bytes():
            yield piece

    async def read(self) -> bytes:
        """Return the whole body."""
        return self._reply.read()


class _ThreadLock:
    """A thread's lock in the dress of an asynchronous one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def _content(request: WireRequest) -> bytes | Iterator[bytes] | None:
    return request.body.open() if isinstance(request.body, StreamedBody) else request.body
