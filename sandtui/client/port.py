"""The small I/O port that every flow runs over.

Flows with several steps (retries, waits, tokens, transfers, jobs) are coroutines over a :class:`Port`. The
asynchronous port suspends; the blocking one does all its work before it returns, so a flow over it never
suspends and is run to its end by :func:`run_blocking` without an event loop. One text serves both clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from sandtui.client.call import Body

T = TypeVar("T")
P = ParamSpec("P")
K = TypeVar("K", bound=Hashable)

CONNECT_TIMEOUT = 10.0


class TransportFault(Exception):
    """No reply came, or it broke off.

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
    """What goes out. Times are in seconds: ``timeout`` bounds each wait for the other side, ``deadline`` the whole."""

    method: str
    url: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    timeout: float = 30.0
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class WireReply:
    """What came back; ``content`` is empty when the body went to a sink."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Sink(Protocol):
    """Where the body of a successful reply goes, piece by piece.

    Its methods may block, on the disk or to compute: no port calls them from an event loop.
    """

    @property
    def may_restart(self) -> bool:
        """Whether a reply that broke off may be asked for again from its beginning."""
        ...

    def begin(self, length: int | None) -> None:
        """Start, or start anew after a broken reply. ``length`` is in bytes, if the platform says it."""
        ...

    def take(self, piece: bytes) -> None:
        """Take the next piece."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome(Generic[K, T]):
    """What became of one of many: a value, or an error."""

    key: K
    value: T | None = None
    error: Exception | None = None

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # without an error the value is there


class Crew(Protocol[K, T]):
    """Flows that run side by side; close it whatever happens."""

    @property
    def busy(self) -> int:
        """How many were started and not told yet."""
        ...

    def start(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        """Start a flow as soon as there is a place for it."""
        ...

    async def ready(self, timeout: float | None = None) -> list[Outcome[K, T]]:
        """Wait for at least one outcome, or ``timeout`` seconds; return all that there are."""
        ...

    async def aclose(self) -> None:
        """End what can be ended, and wait for the rest."""
        ...


class Port(Protocol):
    """All that a flow may do to the outside world."""

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireReply:
        """Send a request; return the reply, whose body goes to ``sink`` when it is a success.

        Raises:
            TransportFault: there was no reply, or not all of it.
        """
        ...

    def stream(self, request: WireRequest) -> AbstractAsyncContextManager[StreamedReply]:
        """Send a request and read its reply as it comes.

        Raises:
            TransportFault: there was no reply; reading raises it when the reply breaks off.
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

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that blocks, such as writing a file, without holding up others."""
        ...

    def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key, some at once, and yield each outcome as it comes.

        What ``keys`` raises is raised; leaving early ends what still runs, where that can be.
        """
        ...

    def crew(self, at_once: int) -> Crew[Any, Any]:
        """Return something that runs flows beside this one, ``at_once`` at most."""
        ...

    def beside(self, flow: Coroutine[Any, Any, T]) -> AbstractAsyncContextManager[Awaitable[T]]:
        """Run a flow beside the block, which awaits what comes of it; leaving the block ends it.

        The blocking port runs it when it is awaited.
        """
        ...

    async def shielded(self, flow: Coroutine[Any, Any, T], patience: float | None = None) -> T:
        """Carry a flow through to its end even when the caller is cancelled, who waits ``patience`` seconds for it."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class StreamedReply(Protocol):
    """A reply whose body is read piece by piece."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The reply's headers; names match whatever their case."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        ...

    async def read(self) -> bytes:
        """Return the whole body."""
        ...


def run_blocking(flow: Coroutine[Any, Any, T]) -> T:
    """Run a flow over a blocking port to its end.

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
