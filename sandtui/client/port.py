"""The small I/O port that every flow runs over, and its two forms.

Flows with several steps (retries, waits, tokens) are coroutines over a :class:`Port`. The asynchronous port
suspends; the blocking one does all its work before it returns, so a flow over it never suspends and
can be run to its end by :func:`run_blocking` without an event loop or a thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sandtui.client.http_library import httpx

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
_NEVER_PROXIED = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=200)


class TransportFault(Exception):
    """No reply came.

    Attributes:
        sent: whether the request may have reached the platform.
        timeout: whether time ran out, rather than the connection breaking.
    """

    def __init__(self, message: str, *, sent: bool, timeout: bool) -> None:
        super().__init__(message)
        self.sent = sent
        self.timeout = timeout


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What goes out."""

    method: str
    url: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class WireReply:
    """What came back."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Port(Protocol):
    """All that a flow may do to the outside world."""

    async def send(self, request: WireRequest) -> WireReply:
        """Send a request and return the whole reply.

        Raises:
            TransportFault: there was no reply.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a new lock, usable with ``async with`` any number of times."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class AsyncPort:
    """The port of the asynchronous client, on one event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            transport=transport, limits=_LIMITS, follow_redirects=True, mounts=_NEVER_PROXIED
        )

    async def send(self, request: WireRequest) -> WireReply:
        """Send a request; see :meth:`Port.send`."""
        try:
            reply = await self._http.request(**_arguments(request))
        except httpx.HTTPError as error:
            raise _fault(error) from None
        return WireReply(reply.status_code, reply.headers, reply.content)

    async def sleep(self, seconds: float) -> None:
        """Wait without holding up the loop."""
        await asyncio.sleep(seconds)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a lock between tasks."""
        return asyncio.Lock()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()


class BlockingPort:
    """The port of the synchronous client; usable from several threads."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(transport=transport, limits=_LIMITS, follow_redirects=True, mounts=_NEVER_PROXIED)

    async def send(self, request: WireRequest) -> WireReply:
        """Send a request; see :meth:`Port.send`."""
        try:
            reply = self._http.request(**_arguments(request))
        except httpx.HTTPError as error:
            raise _fault(error) from None
        return WireReply(reply.status_code, reply.headers, reply.content)

    async def sleep(self, seconds: float) -> None:
        """Wait in the caller's thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - this port blocks by contract

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a lock between threads."""
        return _ThreadLock()

    async def aclose(self) -> None:
        """Close every connection."""
        self._http.close()


class _ThreadLock:
    """A thread's lock in the dress of an asynchronous one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def run_blocking(flow: Coroutine[Any, Any, T]) -> T:
    """Run a flow over a :class:`BlockingPort` to its end.

    Raises:
        RuntimeError: the flow suspended, which no flow over a blocking port does.
    """
    try:
        flow.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    flow.close()
    raise RuntimeError("a flow over the blocking port suspended")


def _arguments(request: WireRequest) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "params": request.query or None,
        "headers": request.headers,
        "content": request.body,
        "timeout": httpx.Timeout(request.timeout, connect=min(CONNECT_TIMEOUT, request.timeout)),
    }


def _fault(error: httpx.HTTPError) -> TransportFault:
    never_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    unusable = isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))
    return TransportFault(
        str(error) or type(error).__name__,
        sent=not (never_sent or unusable),
        timeout=isinstance(error, httpx.TimeoutException),
    )
