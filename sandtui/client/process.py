"""Interactive processes in VMs: streams, input, signals and terminal size."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sandtui.client import rpc
from sandtui.client.errors import APITimeoutError, CommandTimeoutError, ConnectionFailedError, SandboxClientError
from sandtui.client.output import OutputBuffer
from sandtui.client.port import TransportFault
from sandtui.client.session import Session

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from sandtui.client.models.command_session_pb2 import Selector, StartRequest

MAX_SECONDS = 24 * 3600
"""Maximum duration of a stream in seconds (WIRE.md 3.2)."""

RECONNECT_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
CONTROL_DELAYS = (0.5, 1.0)
END_SECONDS = 5.0
START_SECONDS = 30.0
KILL_DELAYS = (0.1, 0.25, 0.5, 1.0)
"""Pauses in seconds between attempts to kill a process that the platform may not know yet."""

INPUT_PART = 1024 * 1024
"""Bytes of input per message: platforms refuse long ones."""

SIGKILL, SIGTERM = 9, 15
_FINAL = frozenset({"not_found", "failed_precondition"})
_PASSING = frozenset({"deadline_exceeded", "unavailable"})


class AsyncSandboxProcess:
    """A process started by :meth:`AsyncSandboxClient.open_process`; use it with ``async with``.

    ``stdout`` and ``stderr`` are asynchronous iterators of bytes, for one reader each. A broken stream is reconnected;
    output written meanwhile is lost, since the platform does not store it. Up to 16 MiB per stream are buffered; see
    :class:`~sandtui.client.output.OutputBuffer`.
    """

    def __init__(self, session: Session, sandbox_id: str, start: StartRequest, *, terminal: bool) -> None:
        self._session = session
        self._sandbox_id = sandbox_id
        self._start = start
        self._uuid = start.session_uuid
        self._terminal = terminal
        self._pid: int | None = None
        self._returncode: int | None = None
        self._waiters = 0
        self._start_sent = False
        self._writing = asyncio.Lock()
        self._buffers = {name: OutputBuffer(name, lambda: not self._waiters) for name in ("stdout", "stderr")}
        self._started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watcher = asyncio.ensure_future(self._watch())
        self.stdout: AsyncIterator[bytes] = self._buffers["stdout"]
        self.stderr: AsyncIterator[bytes] = self._buffers["stderr"]

    @property
    def pid(self) -> int | None:
        """The process id in the sandbox, once it has started."""
        return self._pid

    @property
    def returncode(self) -> int | None:
        """The exit code, once the process has ended."""
        return self._returncode

    async def started(self) -> Self:
        """Wait until the process has started.

        Raises:
            APITimeoutError: it has not started after 30 s.
            SandboxClientError: it could not be started.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.shield(self._started)
        except TimeoutError:
            raise APITimeoutError(
                f"the process did not start within {START_SECONDS:g} s", sandbox_id=self._sandbox_id
            ) from None
        return self

    async def wait(self) -> int:
        """Wait for the end and return the exit code, even if nobody reads the output.

        Raises:
            SandboxClientError: the process was lost.
        """
        self._waiters += 1
        for buffer in self._buffers.values():
            buffer.wake()
        try:
            return await asyncio.shield(self._ended)
        finally:
            self._waiters -= 1

    async def write_stdin(self, data: bytes) -> None:
        """Write bytes to the process's standard input or terminal.

        Raises:
            APIError: the process has ended, or the platform refused.
        """
        from sandtui.client.models.command_session_pb2 import Input, SendInputRequest

        async with self._writing:
            for begin in range(0, max(1, len(data)), INPUT_PART):
                part = bytes(data[begin : begin + INPUT_PART])
                given = Input(pty=part) if self._terminal else Input(stdin=part)
                message = SendInputRequest(session=self._selector(), input=given, input_uuid=str(uuid.uuid4()))
                await self._control("SendInput", message)

    async def resize(self, columns: int, lines: int) -> None:
        """Resize the process's terminal."""
        from sandtui.client.models.command_session_pb2 import PTY, UpdateRequest

        size = PTY.Size(cols=columns, rows=lines)
        await self._control("Update", UpdateRequest(session=self._selector(), pty=PTY(size=size)))

    async def terminate(self) -> None:
        """Send SIGTERM."""
        await self._signal(SIGTERM)

    async def kill(self) -> None:
        """Send SIGKILL."""
        await self._signal(SIGKILL)

    async def aclose(self) -> None:
        """End the process if it is running: terminate it, then kill it."""
        try:
            if not self._started.done():
                await self._kill_before_it_started()
            for number in (SIGTERM, SIGKILL):
                if self._ended.done() or not self._started.done():
                    break
                with contextlib.suppress(SandboxClientError):
                    await self._signal(number)
                with contextlib.suppress(TimeoutError, SandboxClientError):
                    await asyncio.wait_for(self.wait(), END_SECONDS)
        finally:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            for future in (self._started, self._ended):
                if not future.done():
                    future.cancel()
                elif not future.cancelled():
                    future.exception()  # retrieved; callers have got it already

    async def _kill_before_it_started(self) -> None:
        """Kill the process of a ``Start`` that is still in flight: its session id is already known."""
        if not self._start_sent:
            return
        for delay in KILL_DELAYS:
            try:
                await self._signal(SIGKILL, early=True)
            except rpc.RPCError as error:
                if error.code != "not_found" or self._ended.done():
                    return
            except SandboxClientError:
                return
            else:
                return
            await asyncio.sleep(delay)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _watch(self) -> None:
        delays = iter(RECONNECT_DELAYS)
        try:
            while True:
                try:
                    if await self._follow():
                        return
                except (TransportFault, rpc.RPCError) as error:
                    if isinstance(error, rpc.RPCError) and error.code not in _PASSING:
                        raise
                    delay = next(delays, None)
                    if delay is None:
                        raise ConnectionFailedError(
                            f"the process's stream broke off: {error}", sent=True, sandbox_id=self._sandbox_id
                        ) from None
                    await asyncio.sleep(delay)
        except rpc.RPCError as error:
            self._fail(await rpc.exception_for(self._session, error, self._sandbox_id, CommandTimeoutError))
        except SandboxClientError as error:
            self._fail(error)
        finally:
            for buffer in self._buffers.values():
                buffer.end()

    async def _follow(self) -> bool:
        """Read one stream; return whether the process has ended."""
        if self._started.done():
            from sandtui.client.models.command_session_pb2 import ConnectRequest

            request = ConnectRequest(session=self._selector())
            stream = rpc.events(self._session, self._sandbox_id, "Connect", request, MAX_SECONDS)
        else:
            # A repeated Start attaches to the session if the first one has arrived.
            stream = rpc.events(self._session, self._sandbox_id, "Start", self._start, MAX_SECONDS)
        self._start_sent = True
        async with contextlib.aclosing(stream) as events:
            async for event in events:
                if event.HasField("start") and not self._started.done():
                    self._pid = event.start.pid
                    self._started.set_result(self._pid)
                if (output := rpc.output_of(event)) is not None:
                    name, data = output
                    await self._buffers[name].put(data)
                if event.HasField("end"):
                    if not self._ended.done():
                        self._returncode = event.end.exit_code
                        self._ended.set_result(self._returncode)
                    return True
        raise TransportFault("the stream ended without the process's end", sent=True, timeout=False)

    async def _signal(self, number: int, *, early: bool = False) -> None:
        from sandtui.client.models.command_session_pb2 import SendSignalRequest, Signal

        message = SendSignalRequest(session=self._selector(), signal=Signal.Name(number), signal_uuid=str(uuid.uuid4()))
        await self._control("SendSignal", message, early=early)

    async def _control(self, method: str, message: Message, *, early: bool = False) -> None:
        """Send a control message; its id makes it idempotent. ``early`` does not wait for the start."""
        if not early:
            await self.started()
        for delay in (*CONTROL_DELAYS, None):
            try:
                await rpc.unary(self._session, self._sandbox_id, method, message)
            except rpc.RPCError as error:
                if delay is None or error.code not in _PASSING:
                    raise
                await asyncio.sleep(delay)
            else:
                return

    def _selector(self) -> Selector:
        from sandtui.client.models.command_session_pb2 import Selector

        return Selector(session_uuid=self._uuid)

    def _fail(self, error: Exception) -> None:
        for future in (self._started, self._ended):
            if not future.done():
                future.set_exception(error)
                future.exception()  # retrieved; waiters get it too
