"""The connection to a shell: over SSH for a container, over a command session for a VM.

Each shell has its own key and session, which are deleted when it is closed, however that happens.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from sandtui.client import AsyncSandboxClient, ConnectionFailedError, InvalidRequestError, SandboxClientError
from sandtui.client.shell_words import word
from sandtui.fleet.commands.attached import RemoteCommand
from sandtui.fleet.commands.line.users import as_user

if TYPE_CHECKING:
    import asyncssh

    from sandtui.client import AsyncSandboxProcess

PIECE = 65536
TERMINAL_TYPE = "xterm-256color"

SESSION_SECONDS = 3600
"""Lifetime of the SSH access: the maximum that the platform allows (client/WIRE.md 7)."""

HOST_NOT_CHECKED = "SSH host key not verified: the platform does not provide one."

Size = tuple[int, int]
"""The size as columns and lines."""


class ShellChannel(Protocol):
    """A running shell. All methods raise SandboxClientError when the connection is lost.

    ``warning`` is what a user must know about the connection, if anything.
    """

    warning: str

    async def read(self) -> bytes:
        """Return the next output of the shell; empty when it has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Send input."""
        ...

    async def resize(self, size: Size) -> None:
        """Set the size of its terminal."""
        ...

    async def exit_code(self) -> int:
        """Wait for the end and return the exit code."""
        ...


class Opener(Protocol):
    """Opens a shell, for ``async with``; tests substitute their own."""

    def __call__(
        self, client: AsyncSandboxClient, sandbox_id: str, *, vm: bool, size: Size, term: str = TERMINAL_TYPE
    ) -> contextlib.AbstractAsyncContextManager[ShellChannel]:
        """Return an async context manager that opens it."""
        ...


@contextlib.asynccontextmanager
async def open_channel(
    client: AsyncSandboxClient,
    sandbox_id: str,
    *,
    vm: bool,
    size: Size,
    term: str = TERMINAL_TYPE,
    command: RemoteCommand | None = None,
) -> AsyncIterator[ShellChannel]:
    """Open a shell, or run a command in its place; on exit it is ended and everything cleaned up, whatever happens.

    Raises:
        SandboxClientError: the connection failed.
    """
    if vm:
        wanted = command or RemoteCommand("exec bash -i")
        text = f"export TERM={word(term)}; {wanted.text}"
        opening = client.open_process(
            sandbox_id, text, wanted.directory, wanted.variables, size=size, **as_user(wanted.user)
        )
        async with await opening as process:
            try:
                yield SessionChannel(process)
            finally:
                if process.returncode is None:
                    # An interactive bash ignores TERM.
                    with contextlib.suppress(SandboxClientError):
                        await process.kill()
        return
    import asyncssh

    from sandtui.client.toolkit import command_line, is_host_checked

    if command is not None and command.user is not None:
        raise InvalidRequestError("a container's terminal runs as the user that SSH logs in; only a VM has others")
    line = None if command is None else command_line(command.text, command.directory, command.variables)

    async with client.connect_ssh(sandbox_id, SESSION_SECONDS) as connection:
        try:
            shell = await connection.create_process(
                line, term_type=term, term_size=size, encoding=None, stderr=asyncssh.STDOUT
            )
        except asyncssh.Error as error:
            raise ConnectionFailedError(f"can't open the shell: {error}", sandbox_id=sandbox_id) from None
        try:
            yield SSHShellChannel(shell, sandbox_id, "" if is_host_checked(connection) else HOST_NOT_CHECKED)
        finally:
            shell.close()


class SSHShellChannel:
    """A shell over SSH."""

    def __init__(self, shell: asyncssh.SSHClientProcess[bytes], sandbox_id: str, warning: str = "") -> None:
        self._shell, self._sandbox_id, self.warning = shell, sandbox_id, warning

    async def read(self) -> bytes:
        """Return the next output of the shell; empty when it has ended."""
        import asyncssh

        try:
            return await self._shell.stdout.read(PIECE)
        except (OSError, asyncssh.Error) as error:
            raise self._broken(error) from None

    async def write(self, data: bytes) -> None:
        """Send input."""
        try:
            self._shell.stdin.write(data)
            await self._shell.stdin.drain()
        except OSError as error:
            raise self._broken(error) from None

    async def resize(self, size: Size) -> None:
        """Set the size of its terminal."""
        with contextlib.suppress(OSError):
            self._shell.change_terminal_size(*size)

    async def exit_code(self) -> int:
        """Wait for the end and return the exit code."""
        await self._shell.wait_closed()
        code = self._shell.returncode
        if code is None:
            raise self._broken("no exit code received")
        return code

    def _broken(self, why: object) -> ConnectionFailedError:
        return ConnectionFailedError(f"connection to the shell lost: {why}", sent=True, sandbox_id=self._sandbox_id)


class SessionChannel:
    """A shell over a command session of the platform."""

    warning = ""

    def __init__(self, process: AsyncSandboxProcess) -> None:
        self._process = process

    async def read(self) -> bytes:
        """Return the next output of the shell; empty when it has ended."""
        return await anext(self._process.stdout, b"")

    async def write(self, data: bytes) -> None:
        """Send input."""
        await self._process.write_stdin(data)

    async def resize(self, size: Size) -> None:
        """Set the size of its terminal; a rejected size is retried with the next change."""
        with contextlib.suppress(SandboxClientError):
            await self._process.resize(*size)

    async def exit_code(self) -> int:
        """Wait for the end and return the exit code."""
        return await self._process.wait()
