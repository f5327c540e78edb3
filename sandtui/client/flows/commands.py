"""Running commands: over REST in a container, over a command session in a VM."""

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
"""Seconds that a command may take when the caller says nothing (WIRE.md 3)."""

MAX_TIMEOUT = 900
"""Seconds that a command may take at most (WIRE.md 3); what takes longer is a background job."""

MAX_OUTPUT = 32 * 1024 * 1024
"""Bytes of each stream that a reply holds; what comes after them is dropped, and standard error says so."""

MAX_COMMAND = 256 * 1024 * 1024
"""Bytes of a command and its variables that are sent at all: no program can be started with so much."""

MAX_PATH = 4096
"""Characters of a path, and more than any user's name has."""

_ENVIRONMENT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Gathered:
    """The first part of a stream; the rest is counted, as a container's platform does it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._data = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        kept = data[: MAX_OUTPUT - len(self._data)]
        self._data += kept
        self._dropped += len(data) - len(kept)

    def text(self) -> str:
        return self._data.decode("utf-8", "replace")

    def note(self) -> str:
        if not self._dropped:
            return ""
        return f"\nsandbox: {self._name} was cut at {len(self._data)} bytes, {self._dropped} dropped\n"


class Commands(Flows):
    """The calls that run something and wait for its end."""

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
        optionally ``USER:GROUP``. A command whose request may have arrived is never sent twice.

        Raises:
            InvalidRequestError: an argument breaks a rule; nothing was sent.
            CommandTimeoutError: the command did not end in time.
            CommandTooLongError: the platform does not take so much; upload it as a file and run that file.
            SandboxNotRunningError: the sandbox has ended; its subclasses say why.
            APIError: any other refusal.
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
        """Run a command over a command session and gather what it says."""
        stdout, stderr = _Gathered("stdout"), _Gathered("stderr")
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
            failure: SandboxClientError = await rpc.meaning(self._session, error, sandbox_id, too_slow)
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
    """Return the error for a command's stream that broke off."""
    if fault.timeout:
        try:
            await session.raise_if_ended(sandbox_id)
        except SandboxNotRunningError as ended:
            return ended
        return too_slow(str(fault))
    return ConnectionFailedError(f"the command's stream broke off: {fault}", sent=fault.sent, sandbox_id=sandbox_id)


async def run_quietly(session: Session, sandbox_id: str, script: str) -> None:
    """Clean up as well as possible: the error that led here must not be hidden by another."""
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
    """Return the message that starts a shell command; ``size`` (columns, lines) gives it a terminal."""
    from sandtui.client.models.command_session_pb2 import PTY, CommandSpec, StartRequest

    return StartRequest(
        command=CommandSpec(cmd="/bin/bash", args=["-c", command], envs=env or {}, cwd=working_dir, user=user),
        pty=None if size is None else PTY(size=PTY.Size(cols=size[0], rows=size[1])),
        stdin=stdin,
        session_uuid=session_uuid,
    )


def raise_if_too_long(error: SandboxClientError, sandbox_id: str, command: str, env: Mapping[str, str] | None) -> None:
    """Say of a command that a platform did not start why it did not, when its length was the reason.

    Raises:
        CommandTooLongError: the platform answered with 413.
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
    """Refuse a command that no platform would run.

    Raises:
        InvalidRequestError: one of the texts can't be sent, a variable's name is no shell identifier, or the
            timeout is outside 1 to 900 seconds.
    """
    check_launch(command, working_dir, env, user)
    check_seconds("the timeout", timeout)
    if not 1 <= timeout <= MAX_TIMEOUT:
        raise InvalidRequestError(
            f"a command may take 1 to {MAX_TIMEOUT} seconds, not {timeout}; run longer work as a background job"
        )


def check_launch(command: str, working_dir: str | None, env: Mapping[str, str] | None, user: str | None) -> None:
    """Refuse texts that no platform would take.

    Raises:
        InvalidRequestError: one is empty, is no text, or holds what can't be sent; or all are too long together.
    """
    check_text("the command", command)
    for what, text in (("working_dir", working_dir), ("user", user)):
        if text is not None and len(check_text(what, text)) > MAX_PATH:
            raise InvalidRequestError(f"{what} has {len(text):,} characters; at most {MAX_PATH:,} are possible")
    check_environment(env)
    size = _size(command, env)
    if size > MAX_COMMAND:
        raise InvalidRequestError(
            f"the command is too long ({size:,} bytes with its variables); upload it as a file and run that file"
        )


def check_environment(env: Mapping[str, str] | None) -> None:
    """Refuse variables whose names are no shell identifiers.

    Raises:
        InvalidRequestError: a name holds something else than letters, digits and ``_``, or a value is no text.
    """
    if env is not None and not isinstance(env, Mapping):
        raise InvalidRequestError(f"env must be a mapping of names to values, not {type(env).__name__}")
    for key, value in (env or {}).items():
        check_text(f"the value of the environment variable {key!r}", value, may_be_empty=True)
        if not isinstance(key, str) or not _ENVIRONMENT_KEY.fullmatch(key):
            raise InvalidRequestError(
                f"{key!r} is not the name of an environment variable: letters, digits and _, not starting with a digit"
            )
