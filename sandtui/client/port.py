"""The I/O interface that all flows use.

Flows with several steps (retries, waits, tokens, transfers, jobs) are coroutines over a :class:`Port`. The asynchronous
port suspends; the blocking port completes its work before it returns, so that a flow over it never suspends and
:func:`run_blocking` runs it to the end without an event loop. Each flow is written once for both clients.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from sandtui.client.call import Body
from sandtui.client.models.streams import CommandEvent

T = TypeVar("T")
P = ParamSpec("P")
K = TypeVar("K", bound=Hashable)

CONNECT_TIMEOUT = 10.0


class TransportFault(Exception):
    """No response, or an incomplete one.

    Attributes:
        sent: whether the request may have reached the platform.
        timeout: whether it was a timeout rather than a broken connection.
    """

    def __init__(self, message: str, *, sent: bool, timeout: bool) -> None:
        super().__init__(message)
        self.sent = sent
        self.timeout = timeout


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request to send. In seconds, ``timeout`` bounds each wait for the server, ``deadline`` the whole exchange."""

    method: str
    url: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    timeout: float = 30.0
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class WireResponse:
    """A received response; ``content`` is empty if the body went to a sink."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Sink(Protocol):
    """The destination of a successful response's body, piece by piece.

    Its methods may block on disk or computation: ports do not call them on an event loop.
    """

    @property
    def may_restart(self) -> bool:
        """Whether an incomplete response may be requested again from the start."""
        ...

    def begin(self, length: int | None) -> None:
        """Start, or restart after an incomplete response. ``length`` is in bytes, if known."""
        ...

    def take(self, piece: bytes) -> None:
        """Accept the next piece."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome(Generic[K, T]):
    """The result of one of many operations: a value or an error."""

    key: K
    value: T | None = None
    error: Exception | None = None

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # set if there is no error


class Workers(Protocol[K, T]):
    """Runs flows concurrently; must be closed."""

    @property
    def busy(self) -> int:
        """Number of flows whose outcome has not been returned yet."""
        ...

    def start(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        """Queue a flow; it starts as soon as a slot is free."""
        ...

    async def ready(self, timeout: float | None = None) -> list[Outcome[K, T]]:
        """Wait for at least one outcome, or ``timeout`` seconds; return all available ones."""
        ...

    async def aclose(self) -> None:
        """Cancel what can be cancelled and wait for the rest."""
        ...


class Port(Protocol):
    """All I/O that a flow may do."""

    async def send(self, request: WireRequest, sink: Sink | None = None) -> WireResponse:
        """Send a request and return the response; a successful body goes to ``sink``, if given.

        Raises:
            TransportFault: there was no response, or an incomplete one.
        """
        ...

    def stream(self, request: WireRequest) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send a request and stream the response.

        Raises:
            TransportFault: there was no response; also raised while reading, if it breaks off.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        ...

    def monotonic(self) -> float:
        """Return the time of a monotonic clock in seconds."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Return a new lock for ``async with``, reusable."""
        ...

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function, such as writing a file, without blocking other flows."""
        ...

    def fan_out(
        self, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
    ) -> AsyncIterator[Outcome[K, T]]:
        """Run a flow for each key, ``at_once`` at a time, and yield outcomes as they complete.

        Errors of ``keys`` are raised. Leaving early cancels unfinished flows where possible.
        """
        ...

    def workers(self, at_once: int) -> Workers[Any, Any]:
        """Return workers that run ``at_once`` flows at most."""
        ...

    def concurrently(self, flow: Coroutine[Any, Any, T]) -> AbstractAsyncContextManager[Awaitable[T]]:
        """Run a flow concurrently with the block, which awaits its result; leaving the block cancels it.

        The blocking port runs it when it is awaited.
        """
        ...

    async def shielded(self, flow: Coroutine[Any, Any, T], grace: float | None = None) -> T:
        """Run a flow to its end even if the caller is cancelled, who then waits for it, up to ``grace`` seconds."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class StreamedResponse(Protocol):
    """A response whose body is streamed."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers, case-insensitive."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        ...

    async def read(self) -> bytes:
        """Return the whole body."""
        ...


class CommandChannel(Protocol):
    """Runs one command, yields its events and closes itself afterwards."""

    def run(
        self, command: str, working_dir: str | None, env: Mapping[str, str] | None, timeout: int
    ) -> AsyncGenerator[CommandEvent, None]:
        """Run the command."""
        ...


class ChannelSource(Protocol):
    """Opens channels into containers."""

    async def open(self, sandbox_id: str) -> CommandChannel | None:
        """Open a channel; None if the platform offers none."""
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
