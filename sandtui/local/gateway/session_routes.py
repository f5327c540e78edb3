"""``command_session.CommandSession``: commands over Connect RPC (client/WIRE.md 3.2)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandtui.client.models import command_session_pb2 as messages
from sandtui.clock import Clock
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import COMMAND_TOO_LONG, Command, CommandFailed, Instance, SandboxBusy, SandboxGone
from sandtui.local.gateway import connect
from sandtui.local.gateway.connect import ConnectRpcError
from sandtui.local.gateway.sessions import CommandSession, Sessions
from sandtui.local.gateway.tokens import GatewayTokens
from sandtui.local.store.registry import Registry

PREFIX: Final = "/{namespace}/{id}/command_session.CommandSession/"
DEFAULT_SIZE: Final = (80, 24)
SIGNALS: Final = frozenset({9, 15})
_MAX_SIDE: Final = 1000
_MARGIN: Final = 0.05

_Handler = Callable[[Request, str, Instance], Awaitable[Response]]


class SessionRoutes:
    """Answers the calls of the service. An error before a stream starts is the response, later its last message."""

    def __init__(self, registry: Registry, lifecycle: Lifecycle, tokens: GatewayTokens, clock: Clock) -> None:
        self._registry = registry
        self._lifecycle = lifecycle
        self._tokens = tokens
        self._clock = clock
        self._sessions = Sessions()
        self._starting: dict[tuple[str, str], asyncio.Lock] = {}
        lifecycle.on_end.append(self._sessions.drop)

    def routes(self) -> list[Route]:
        """Return the routes of the service."""
        calls: dict[str, _Handler] = {
            "Start": self.start,
            "Connect": self.connect,
            "List": self.list,
            "SendInput": self.send_input,
            "SendSignal": self.send_signal,
            "Update": self.update,
            "StreamInput": self.stream_input,
        }
        rows = [Route(PREFIX + name, self._authorized(call), methods=["POST"]) for name, call in calls.items()]
        return [*rows, Route(PREFIX + "{method}", self._authorized(_unknown), methods=["POST"])]

    async def close(self) -> None:
        """End all sessions."""
        await self._sessions.close()

    async def start(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """Start: run a command, or attach to the one that was started with the same uuid."""
        message = await connect.read_one(request, messages.StartRequest)
        uuid = message.session_uuid or None
        timeout = connect.timeout_of(request)
        lock = self._starting.setdefault((sandbox_id, uuid), asyncio.Lock()) if uuid else asyncio.Lock()
        try:
            async with lock:
                # The same start may be sent again while the first is in progress.
                session = self._sessions.by_uuid(sandbox_id, uuid) if uuid else None
                if session is None:
                    try:
                        session = await self._run(sandbox_id, instance, message, uuid, timeout)
                    except CommandFailed as error:
                        if error.code == errno.E2BIG:
                            raise connect.too_large(COMMAND_TOO_LONG) from error
                        return connect.ConnectStream(_failed(error))
        finally:
            if uuid:
                self._starting.pop((sandbox_id, uuid), None)
        return self._stream(sandbox_id, session)

    async def connect(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """Connect: attach to a session; output that was written in the meantime is not repeated."""
        message = await connect.read_one(request, messages.ConnectRequest)
        session = self._sessions.find(sandbox_id, message.session)
        return self._stream(sandbox_id, session, connect.timeout_of(request))

    async def list(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """List: the sessions with a running process."""
        await connect.read_unary(request, messages.Empty)
        rows = [_info(session) for session in self._sessions.of(sandbox_id)]
        return connect.unary(messages.ListResponse(sessions=rows))

    async def send_input(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """SendInput: write to a process, once per ``input_uuid``."""
        message = await connect.read_unary(request, messages.SendInputRequest)
        session = self._sessions.find(sandbox_id, message.session)
        writing = session.write(_data(message.input), message.input_uuid or None)
        await _in_time(writing, connect.timeout_of(request))
        return connect.unary(messages.Empty())

    async def send_signal(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """SendSignal: send SIGTERM or SIGKILL to the process group, once per ``signal_uuid``."""
        message = await connect.read_unary(request, messages.SendSignalRequest)
        session = self._sessions.find(sandbox_id, message.session)
        number = message.signal
        if number not in SIGNALS:
            raise ConnectRpcError("invalid_argument", "The signal must be SIGTERM or SIGKILL.")
        await _in_time(session.signal(number, message.signal_uuid or None), connect.timeout_of(request))
        return connect.unary(messages.Empty())

    async def update(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """Update: resize the terminal."""
        message = await connect.read_unary(request, messages.UpdateRequest)
        session = self._sessions.find(sandbox_id, message.session)
        if message.HasField("pty"):
            session.resize(*_size(message.pty))
        return connect.unary(messages.Empty())

    async def stream_input(self, request: Request, sandbox_id: str, instance: Instance) -> Response:
        """StreamInput: a stream of writes to the process that the first message names."""
        session: CommandSession | None = None
        async for message in connect.read_stream(request, messages.StreamInputRequest):
            if message.HasField("start"):
                session = self._sessions.find(sandbox_id, message.start.session)
            elif message.HasField("data"):
                if session is None:
                    raise ConnectRpcError("invalid_argument", "The first message must name the session.")
                await session.write(_data(message.data.input))
        if session is None:
            raise ConnectRpcError("invalid_argument", "The first message must name the session.")

        async def answer() -> AsyncGenerator[messages.Empty, None]:
            yield messages.Empty()

        return connect.ConnectStream(answer())

    async def _run(
        self,
        sandbox_id: str,
        instance: Instance,
        message: messages.StartRequest,
        uuid: str | None,
        timeout: float | None,
    ) -> CommandSession:
        command = _command(message)
        command.check_length()
        # The client has its own timer; ours must expire first.
        limit = None if timeout is None else max(0.01, timeout - _MARGIN)
        session = CommandSession(await instance.run(command), command, uuid, instance.exceeded_limits, limit)
        self._sessions.add(sandbox_id, session)
        return session

    def _stream(self, sandbox_id: str, session: CommandSession, limit: float | None = None) -> Response:
        async def events() -> AsyncGenerator[messages.EventResponse, None]:
            stream = session.attach(limit)
            with self._lifecycle.activity(sandbox_id):
                try:
                    async for event in stream:
                        if event.end.exit_code == 137 and await session.exceeded_limits():
                            await self._lifecycle.wait_ended(sandbox_id)
                            raise ConnectRpcError("not_found", "The sandbox ran out of memory and was ended.")
                        yield messages.EventResponse(event=event)
                finally:
                    await stream.aclose()

        return connect.ConnectStream(events())

    def _authorized(self, work: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def authorized(request: Request) -> Response:
            sandbox_id = request.path_params["id"]
            try:
                if not self._tokens.opens(request, self._clock.now()):
                    raise ConnectRpcError("unauthenticated", "The token is missing, invalid or expired.")
                instance = self._lifecycle.instance(sandbox_id)
                if instance is None:
                    record = self._registry.get(sandbox_id)
                    if record is not None and not record.is_finished:
                        raise ConnectRpcError("unavailable", f"The sandbox is {record.status}, not RUNNING.")
                    raise ConnectRpcError("not_found", "The sandbox is not running.")
                with self._lifecycle.activity(sandbox_id):
                    return await work(request, sandbox_id, instance)
            except SandboxBusy as error:
                return ConnectRpcError("unavailable", str(error)).response()
            except SandboxGone as error:
                return ConnectRpcError("not_found", str(error)).response()
            except ConnectRpcError as error:
                return error.response()

        return authorized


async def _unknown(request: Request, sandbox_id: str, instance: Instance) -> Response:
    raise ConnectRpcError("unimplemented", "Unknown method.")


async def _in_time(work: Awaitable[None], timeout: float | None) -> None:
    try:
        async with asyncio.timeout(timeout):
            await work
    except TimeoutError as error:
        raise ConnectRpcError("deadline_exceeded", "The process did not read the input in time.") from error


async def _failed(error: CommandFailed) -> AsyncGenerator[messages.EventResponse, None]:
    """Report a command that could not start the way a shell would: the sandbox itself is fine."""
    code = 127 if error.code == errno.ENOENT else 126
    # A name in the error may not be valid UTF-8.
    reason = str(error).encode("utf-8", "replace")
    end = messages.Event.End(exit_code=code, exited=True, status=f"exit status {code}", error=reason.decode())
    for event in (
        messages.Event(start=messages.Event.Start(pid=0)),
        messages.Event(data=messages.Event.Data(stderr=b"sandbox: " + reason + b"\n")),
        messages.Event(end=end),
    ):
        yield messages.EventResponse(event=event)


def _command(message: messages.StartRequest) -> Command:
    spec = message.command
    words = [spec.cmd, *spec.args]
    env = dict(spec.envs)
    texts = [*words, *env, *env.values(), spec.cwd, spec.user]
    if not words[0]:
        raise ConnectRpcError("invalid_argument", "The command is missing.")
    if any("\0" in text for text in texts) or any(not name or "=" in name for name in env):
        raise ConnectRpcError("invalid_argument", "The command contains a NUL byte or a malformed variable.")
    pty = _size(message.pty) if message.HasField("pty") else None
    return Command(words, env, spec.cwd or None, spec.user or None, stdin=message.stdin, pty=pty)


def _size(pty: messages.PTY) -> tuple[int, int]:
    cols, rows = pty.size.cols or DEFAULT_SIZE[0], pty.size.rows or DEFAULT_SIZE[1]
    return min(cols, _MAX_SIDE), min(rows, _MAX_SIDE)


def _data(given: messages.Input) -> bytes:
    return given.stdin or given.pty


def _info(session: CommandSession) -> messages.SessionInfo:
    command = session.command
    spec = messages.CommandSpec(
        cmd=command.argv[0], args=command.argv[1:], envs=command.env, cwd=command.cwd, user=command.user
    )
    return messages.SessionInfo(command=spec, pid=session.pid, session_uuid=session.uuid)
