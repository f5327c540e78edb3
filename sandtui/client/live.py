"""Processes and SSH connections of the blocking client, on an event loop in a thread.

Everything else runs in the caller's thread without a loop. A process is read and written at the same time, and asyncssh
needs a loop. The thread is started on first use.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from sandtui.client.forking import renew_in_child
from sandtui.client.models.streams import CommandEvent
from sandtui.client.port import CommandChannel

if TYPE_CHECKING:
    import asyncssh
    from anyio.from_thread import BlockingPortal

    from sandtui.client.async_client import AsyncSandboxClient
    from sandtui.client.process import AsyncSandboxProcess

P = ParamSpec("P")
R = TypeVar("R")


class LiveSide:
    """The event loop of a blocking client, with an asynchronous client on it."""

    def __init__(self, make_client: Callable[[], AsyncSandboxClient]) -> None:
        self._make_client = make_client
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked process, which has no threads of its parent."""
        self._lock = threading.Lock()
        self._started: tuple[BlockingPortal, threading.Thread, AsyncSandboxClient] | None = None

    def _start(self) -> tuple[BlockingPortal, AsyncSandboxClient]:
        with self._lock:
            if self._started is None:
                portal, thread = _start_thread()

                async def make() -> AsyncSandboxClient:
                    return self._make_client()

                self._started = portal, thread, portal.call(make)
            portal, _, client = self._started
            return portal, client

    @property
    def client(self) -> AsyncSandboxClient:
        """The asynchronous client; its coroutines run by :meth:`call`."""
        return self._start()[1]

    def call(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a coroutine function on the loop and wait for it."""
        return self._start()[0].call(functools.partial(function, *args, **kwargs))

    def entered(self, manager: AbstractAsyncContextManager[R]) -> AbstractContextManager[R]:
        """Return an asynchronous context manager as an ordinary one."""
        return self._start()[0].wrap_async_context_manager(manager)

    def iterate(self, items: AsyncGenerator[R, None]) -> Iterator[R]:
        """Iterate over an asynchronous generator and close it."""
        try:
            while True:
                try:
                    yield self.call(items.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self.call(items.aclose)

    def close(self) -> None:
        """Close all connections and end the thread."""
        with self._lock:
            started, self._started = self._started, None
            if started is not None:
                portal, thread, client = started
                try:
                    portal.call(client.aclose)
                finally:
                    portal.call(portal.stop, True)
                    thread.join()


def _start_thread() -> tuple[BlockingPortal, threading.Thread]:
    """Start a thread with an event loop that runs until its portal is stopped.

    anyio's own context manager would wait for the thread when it is collected, and a forked process has none.
    """
    # Slow to import, and most programs never need it.
    import anyio
    from anyio.from_thread import BlockingPortal

    started: Future[BlockingPortal] = Future()

    async def run() -> None:
        async with BlockingPortal() as portal:
            started.set_result(portal)
            await portal.sleep_until_stopped()

    def serve() -> None:
        try:
            anyio.run(run)
        except BaseException as error:
            if not started.done():
                started.set_exception(error)

    thread = threading.Thread(target=serve, name="sandtui-live", daemon=True)
    thread.start()
    return started.result(), thread


class LiveChannels:
    """Opens SSH channels over the live side, for flows of the blocking client."""

    def __init__(self, live: LiveSide) -> None:
        self._live = live

    async def open(self, sandbox_id: str) -> CommandChannel | None:
        """Open a channel; None if the platform offers none."""
        channels = self._live.client._session.channels
        channel = None if channels is None else self._live.call(channels.open, sandbox_id)
        return None if channel is None else _BlockingChannel(self._live, channel)


class _BlockingChannel:
    """A channel whose events are awaited in the caller's thread."""

    def __init__(self, live: LiveSide, channel: CommandChannel) -> None:
        self._live, self._channel = live, channel

    async def run(
        self, command: str, working_dir: str | None, env: Mapping[str, str] | None, timeout: int
    ) -> AsyncGenerator[CommandEvent, None]:
        """Run the command."""
        events = self._live.iterate(self._channel.run(command, working_dir, env, timeout))
        try:
            for event in events:
                yield event
        finally:
            events.close()  # type: ignore[attr-defined] # it is a generator


class SandboxProcess:
    """A process started by :meth:`SandboxClient.open_process`; use it with ``with``.

    ``stdout`` and ``stderr`` are iterators of bytes, for one thread each. The rest is as in
    :class:`~sandtui.client.process.AsyncSandboxProcess`, but blocks.
    """

    def __init__(self, live: LiveSide, process: AsyncSandboxProcess) -> None:
        self._live, self._process = live, process
        self.stdout: Iterator[bytes] = _Pieces(live, process.stdout.__anext__)
        self.stderr: Iterator[bytes] = _Pieces(live, process.stderr.__anext__)

    @property
    def pid(self) -> int | None:
        """The process id in the sandbox, once it has started."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, once the process has ended."""
        return self._process.returncode

    def wait(self) -> int:
        """Wait for the end and return the exit code, even if nobody reads the output.

        Raises:
            SandboxClientError: the process was lost.
        """
        return self._live.call(self._process.wait)

    def write_stdin(self, data: bytes) -> None:
        """Write bytes to the process's standard input or terminal.

        Raises:
            APIError: the process has ended, or the platform refused.
        """
        self._live.call(self._process.write_stdin, data)

    def resize(self, columns: int, lines: int) -> None:
        """Resize the process's terminal."""
        self._live.call(self._process.resize, columns, lines)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._live.call(self._process.terminate)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._live.call(self._process.kill)

    def close(self) -> None:
        """End the process if it is running: terminate it, then kill it."""
        self._live.call(self._process.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Pieces:
    def __init__(self, live: LiveSide, following: Callable[[], Awaitable[bytes]]) -> None:
        self._live, self._following = live, following

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return self._live.call(self._following)
        except StopAsyncIteration:
            raise StopIteration from None


class SandboxSSH:
    """An SSH connection into a sandbox, for use from ordinary threads.

    ``connection`` is asyncssh's own; its coroutines run by :meth:`call`, as in
    ``ssh.call(ssh.connection.run, "ls")`` or ``ssh.call(ssh.connection.forward_local_port, "", 0, "127.0.0.1", 80)``.
    """

    def __init__(self, live: LiveSide, connection: asyncssh.SSHClientConnection) -> None:
        self._live = live
        self.connection = connection

    def call(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a coroutine function of the connection, or of objects opened over it, and wait for it.

        Raises:
            asyncssh.Error: whatever asyncssh raises.
        """
        return self._live.call(function, *args, **kwargs)


def live_process(
    flow: Callable[Concatenate[Any, P], Coroutine[Any, Any, AsyncSandboxProcess]],
) -> Callable[Concatenate[Any, P], SandboxProcess]:
    """Turn an asynchronous method that starts a process into a blocking one."""

    @functools.wraps(flow)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> SandboxProcess:
        live: LiveSide = self._live
        return SandboxProcess(live, live.call(flow, live.client, *args, **kwargs))

    return method


def live_connection(
    flow: Callable[Concatenate[Any, P], AbstractAsyncContextManager[asyncssh.SSHClientConnection]],
) -> Callable[Concatenate[Any, P], AbstractContextManager[SandboxSSH]]:
    """Turn an asynchronous method that opens an SSH connection into a blocking one."""

    @functools.wraps(flow)
    @contextmanager
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[SandboxSSH]:
        live: LiveSide = self._live
        with live.entered(flow(live.client, *args, **kwargs)) as connection:
            yield SandboxSSH(live, connection)

    return method
