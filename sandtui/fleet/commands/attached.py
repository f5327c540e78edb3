"""One command with input and output of the caller, as ``ssh`` runs it: bytes pass unchanged, in both directions.

In a container it runs over SSH. Where that is not possible, its input is uploaded first and its output is polled. In a
VM it runs in a command session, whose input has no end: a small shell script decodes it and knows where it ends.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from typing import Literal

from sandtui.cancellation import run_to_end
from sandtui.client import (
    APIError,
    AsyncSandboxClient,
    ConnectionFailedError,
    Sandbox,
    SandboxClientError,
    SandboxNotRunningError,
)
from sandtui.client.models.streams import CommandEnded, CommandOutput
from sandtui.client.toolkit import MAX_TIMEOUT
from sandtui.fleet.commands.line.users import as_user

ShowOutput = Callable[[Literal["stdout", "stderr"], bytes], Awaitable[None]]

SESSION_SECONDS = 3600
"""Lifetime of the SSH access: the maximum that the platform allows (client/WIRE.md 7)."""

MAX_UPLOADED_INPUT = 16 * 1024 * 1024
"""Most bytes of input where it has to be uploaded before the command starts."""

MAX_SSH_TEXT = 64 * 1024
"""Most bytes of command and variables over SSH: servers drop the connection on much longer requests."""

_PART = 32 * 1024
_REMOVE_SECONDS = 20
_END_OF_INPUT = b".\n"

# The reader runs in the background, so that a command that ends early is not waited for. A shell gives such a process
# an empty input, hence the copy. Behind `exec`, nothing holds the pipe but the command.
_DECODING = """\
mkfifo -m 600 PIPE || exit 1
exec 3<&0
{ while IFS= read -r l && [ "$l" != . ]; do printf %s "$l" | base64 -d || break; done; } <&3 >PIPE 2>/dev/null &
exec <PIPE 3<&-
rm -f PIPE
"""


class InputTooLargeError(ValueError):
    """There is more input than can be uploaded; nothing was run."""


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """A command line for the shell of a sandbox; None stands for the platform's defaults."""

    text: str
    directory: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None


async def run_attached(
    client: AsyncSandboxClient,
    sandbox: Sandbox,
    command: RemoteCommand,
    given: AsyncIterator[bytes] | None,
    show: ShowOutput,
) -> int:
    """Run a command until it ends, and return its exit code; leaving early stops it.

    ``given`` is its input, empty if that is None. ``show`` gets the output as it comes, and may hold it back.

    Raises:
        InputTooLargeError: the input has to be uploaded, and is too large for that.
        SandboxClientError: the command could not be run, or its connection was lost.
    """
    if sandbox.vm:
        return await _in_session(client, sandbox.id, command, given, show)
    if command.user is None and _fits_ssh(command):
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(client.connect_ssh(sandbox.id, SESSION_SECONDS))
            except SandboxNotRunningError:
                raise
            except (APIError, ConnectionFailedError):
                pass  # no SSH here; another error is met again
            else:
                from sandtui.client.toolkit import SSHChannel

                channel = SSHChannel(sandbox.id, connection, stack.pop_all())
                return await channel.attached(command.text, command.directory, command.variables, given, show)
    return await _polled(client, sandbox.id, command, given, show)


def _fits_ssh(command: RemoteCommand) -> bool:
    texts = (command.text, command.directory or "", *command.variables, *command.variables.values())
    return sum(len(text.encode()) for text in texts) <= MAX_SSH_TEXT


async def _in_session(
    client: AsyncSandboxClient,
    sandbox_id: str,
    command: RemoteCommand,
    given: AsyncIterator[bytes] | None,
    show: ShowOutput,
) -> int:
    pipe = f"/tmp/.sandtui-stdin-{secrets.token_hex(8)}"  # noqa: S108 - of the sandbox, and nobody can guess it
    before = "exec </dev/null\n" if given is None else _DECODING.replace("PIPE", pipe)
    process = await client.open_process(
        sandbox_id, before + command.text, command.directory, command.variables, **as_user(command.user)
    )
    async with process:

        async def feed(given: AsyncIterator[bytes]) -> None:
            # A command that has ended is no error.
            with suppress(SandboxClientError):
                async for data in given:
                    for begin in range(0, len(data), _PART):
                        await process.write_stdin(base64.b64encode(data[begin : begin + _PART]) + b"\n")
                await process.write_stdin(_END_OF_INPUT)

        async def pump(name: Literal["stdout", "stderr"], source: AsyncIterator[bytes]) -> None:
            async for data in source:
                await show(name, data)

        feeding = None if given is None else asyncio.ensure_future(feed(given))
        shown = [
            asyncio.ensure_future(pump("stdout", process.stdout)),
            asyncio.ensure_future(pump("stderr", process.stderr)),
        ]
        try:
            await asyncio.gather(*shown)
            return await process.wait()
        finally:
            work = [*shown, *([] if feeding is None else [feeding])]
            for each in work:
                each.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def _polled(
    client: AsyncSandboxClient,
    sandbox_id: str,
    command: RemoteCommand,
    given: AsyncIterator[bytes] | None,
    show: ShowOutput,
) -> int:
    data = b"" if given is None else await _collected(given)
    path, text = "", command.text
    if data:
        path = f"/tmp/.sandtui-stdin-{secrets.token_hex(8)}"  # noqa: S108 - of the sandbox, and nobody can guess it
        await client.upload_bytes(sandbox_id, path, data)
        text = f"exec <{path}\n{text}"
    try:
        events = client.stream_command(
            sandbox_id, text, command.directory, command.variables, MAX_TIMEOUT, **as_user(command.user)
        )
        async with aclosing(events) as stream:  # type: ignore[type-var] # it is a generator
            async for event in stream:
                if isinstance(event, CommandOutput):
                    await show(event.stream, event.data)
                elif isinstance(event, CommandEnded):
                    return event.exit_code
    finally:
        if path:
            with suppress(SandboxClientError):
                await run_to_end(client.execute_command(sandbox_id, f"rm -f {path}", timeout=_REMOVE_SECONDS))
    raise APIError("the output ended without an exit code", sandbox_id=sandbox_id)


async def _collected(given: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for piece in given:
        data += piece
        if len(data) > MAX_UPLOADED_INPUT:
            raise InputTooLargeError(f"the input is longer than {MAX_UPLOADED_INPUT >> 20} MiB")
    return bytes(data)
