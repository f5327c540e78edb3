"""Running commands: over REST in containers, over command sessions in VMs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandtui.client import rpc
from sandtui.client.calls import gateway
from sandtui.client.checks import check_seconds, check_text
from sandtui.client.errors import (
    APIError,
    CommandTimeoutError,
    ConnectionFailedError,
    InvalidRequestError,
    SandboxClientError,
    SandboxNotRunningError,
    command_timeout,
    command_too_long,
)
from sandtui.client.flows.base import Flows
from sandtui.client.models import CommandResponse
from sandtui.client.port import TransportFault
from sandtui.client.session import OnTimeout, Session

if TYPE_CHECKING:
    from sandtui.client.models.command_session_pb2 import StartRequest

DEFAULT_TIMEOUT = 300
"""Default timeout of a command in seconds (WIRE.md 3)."""

MAX_TIMEOUT = 900
"""Maximum timeout of a command in seconds (WIRE.md 3); use a background job for longer ones."""

MAX_OUTPUT = 32 * 1024 * 1024
"""Maximum bytes of output per stream; the rest is dropped, with a note in stderr."""

MAX_COMMAND = 256 * 1024 * 1024
"""Maximum bytes of a command with its variables: no system can start a program with more."""

MAX_PATH = 4096
"""Maximum length of a path, and of a user name."""

_ENVIRONMENT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _BoundedOutput:
    """The first bytes of a stream; the rest is counted, as the platform does for containers."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._data = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        head = data[: MAX_OUTPUT - len(self._data)]
        self._data += head
        self._dropped += len(data) - len(head)

    def text(self) -> str:
        return self._data.decode("utf-8", "replace")

    def note(self) -> str:
        if not self._dropped:
            return ""
        return f"\nsandbox: {self._name} was truncated to {len(self._data)} bytes, {self._dropped} dropped\n"


class Commands(Flows):
    """Operations that run a command to its end."""

    async def execute_command(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: int | None = None,
        user: str | None = None,
    ) -> CommandResponse:
        """Run ``command`` in the sandbox's shell and return its output and exit code.

        ``timeout`` is in seconds, 300 by default and 900 at most; ``user`` is a name or uid, in containers
        optionally ``USER:GROUP``. A command whose request may have arrived is never resent.

        Raises:
            InvalidRequestError: an argument is invalid; nothing was sent.
            CommandTimeoutError: the command did not finish in time.
            CommandTooLongError: the platform does not accept such a long command; upload it as a file and run that.
            SandboxNotRunningError: the sandbox has ended; its subclasses say why.
            APIError: any other error.
        """
        seconds = DEFAULT_TIMEOUT if timeout is None else timeout
        check_command(command, env, seconds, working_dir, user)

        def too_slow(_reason: str) -> CommandTimeoutError:
            return command_timeout(sandbox_id, command, seconds)

        try:
            if await self._session.is_vm(sandbox_id):
                message = start_message(command, working_dir, env, user)
                return await self._run_session(sandbox_id, message, seconds, too_slow)
            call = gateway.execute(sandbox_id, command, working_dir=working_dir, env=env, timeout=seconds, user=user)
            return await self._session.gateway(sandbox_id, call, too_slow)
        except SandboxNotRunningError as error:
            error.command = command
            raise
        except APIError as error:
            raise_if_too_long(error, sandbox_id, command, env)
            raise

    async def _run_session(
        self, sandbox_id: str, message: StartRequest, timeout: float, too_slow: OnTimeout
    ) -> CommandResponse:
        """Run a command over a command session and collect its output."""
        stdout, stderr = _BoundedOutput("stdout"), _BoundedOutput("stderr")
        exit_code: int | None = None
        running = rpc.events(self._session, sandbox_id, "Start", message, timeout)
        try:
            async with aclosing(running) as events:
                async for event in events:
                    if (output := rpc.output_of(event)) is not None:
                        stream, data = output
                        (stdout if stream == "stdout" else stderr).add(data)
                    if event.HasField("end"):
                        exit_code = event.end.exit_code
        except rpc.RPCError as error:
            failure: SandboxClientError = await rpc.exception_for(self._session, error, sandbox_id, too_slow)
        except TransportFault as fault:
            failure = await broken_stream(self._session, sandbox_id, fault, too_slow)
        else:
            failure = APIError("the command's stream ended without an exit code", sandbox_id=sandbox_id)
        errors = stderr.text() + stdout.note() + stderr.note()
        if exit_code is not None:
            return CommandResponse(stdout=stdout.text(), stderr=errors, exit_code=exit_code)
        if isinstance(failure, CommandTimeoutError):
            failure.stdout, failure.stderr = stdout.text(), errors
        raise failure


async def broken_stream(
    session: Session, sandbox_id: str, fault: TransportFault, too_slow: OnTimeout
) -> SandboxClientError:
    """Return the error for a broken stream of a command."""
    if fault.timeout:
        try:
            await session.raise_if_ended(sandbox_id)
        except SandboxNotRunningError as ended:
            return ended
        return too_slow(str(fault))
    return ConnectionFailedError(f"the command's stream broke: {fault}", sent=fault.sent, sandbox_id=sandbox_id)


async def run_quietly(session: Session, sandbox_id: str, script: str) -> None:
    """Run a cleanup script and ignore its errors, which must not hide the original one."""
    try:
        await Commands(session).execute_command(sandbox_id, script, timeout=30)
    except SandboxClientError:
        return


def start_message(
    command: str,
    working_dir: str | None,
    env: Mapping[str, str] | None,
    user: str | None,
    *,
    stdin: bool = False,
    session_uuid: str | None = None,
    size: tuple[int, int] | None = None,
) -> StartRequest:
    """Return the Start message of a shell command; ``size`` (columns, lines) gives it a terminal."""
    from sandtui.client.models.command_session_pb2 import PTY, CommandSpec, StartRequest

    return StartRequest(
        command=CommandSpec(cmd="/bin/bash", args=["-c", command], envs=env or {}, cwd=working_dir, user=user),
        pty=None if size is None else PTY(size=PTY.Size(cols=size[0], rows=size[1])),
        stdin=stdin,
        session_uuid=session_uuid,
    )


def raise_if_too_long(error: SandboxClientError, sandbox_id: str, command: str, env: Mapping[str, str] | None) -> None:
    """Raise a clearer error if a command was rejected for its length.

    Raises:
        CommandTooLongError: the status is 413.
    """
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise command_too_long(sandbox_id, command, _size(command, env)) from None


def _size(command: str, env: Mapping[str, str] | None) -> int:
    texts = (command, *(env or {}), *(env or {}).values())
    return sum(len(text.encode()) for text in texts)


def check_command(
    command: str,
    env: Mapping[str, str] | None,
    timeout: int,
    working_dir: str | None = None,
    user: str | None = None,
) -> None:
    """Validate a command with its options.

    Raises:
        InvalidRequestError: a text can't be sent, a variable's name is not a shell identifier, or the timeout is
            outside 1 to 900 seconds.
    """
    check_launch(command, working_dir, env, user)
    check_seconds("the timeout", timeout)
    if not 1 <= timeout <= MAX_TIMEOUT:
        raise InvalidRequestError(
            f"a command may take 1 to {MAX_TIMEOUT} seconds, not {timeout}; run longer work as a background job"
        )


def check_launch(command: str, working_dir: str | None, env: Mapping[str, str] | None, user: str | None) -> None:
    """Validate a command with its options, except for the timeout.

    Raises:
        InvalidRequestError: one is empty, not a string or can't be sent, or together they are too long.
    """
    check_text("the command", command)
    for what, text in (("working_dir", working_dir), ("user", user)):
        if text is not None and len(check_text(what, text)) > MAX_PATH:
            raise InvalidRequestError(f"{what} has {len(text):,} characters; the maximum is {MAX_PATH:,}")
    check_environment(env)
    size = _size(command, env)
    if size > MAX_COMMAND:
        raise InvalidRequestError(
            f"the command is too long ({size:,} bytes with its variables); upload it as a file and run that"
        )


def check_environment(env: Mapping[str, str] | None) -> None:
    """Validate environment variables.

    Raises:
        InvalidRequestError: a name is not a shell identifier, or a value is not a string.
    """
    if env is not None and not isinstance(env, Mapping):
        raise InvalidRequestError(f"env must be a mapping of names to values, not {type(env).__name__}")
    for key, value in (env or {}).items():
        check_text(f"the value of the environment variable {key!r}", value, may_be_empty=True)
        if not isinstance(key, str) or not _ENVIRONMENT_KEY.fullmatch(key):
            raise InvalidRequestError(
                f"{key!r} is not the name of an environment variable: letters, digits and _, not starting with a digit"
            )
