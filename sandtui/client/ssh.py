"""SSH into a sandbox, in both forms of the platform (wire.md 7).

The key is made in memory for one session and never written anywhere. The host's key is not checked: the
platform has no fixed one, and the way to it was told by the platform itself over its authenticated API.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import TYPE_CHECKING

import asyncssh

from sandtui.client.errors import (
    ConnectionFailedError,
    SandboxClientError,
    command_timeout,
)
from sandtui.client.flows.access import Access
from sandtui.client.models.access import SSHSession
from sandtui.client.models.streams import CommandEnded, CommandEvent, CommandOutput, CommandStarted
from sandtui.client.shell_words import cd, exports, word

if TYPE_CHECKING:
    from typing import Literal

CONNECT_SECONDS = 15.0
"""Seconds to wait for the way in: a container's exposure takes some to come up (wire.md 7)."""

STOP_SECONDS = 2.0
"""Seconds that a command has to end by itself before it is killed."""

PREFERRED_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Processors have AES built in: twice the bytes a second of the default; all others stay allowed."""

PREAMBLE = "PRIME-SSH-SESSION {}\n"
PIECE = 64 * 1024


@contextlib.asynccontextmanager
async def ssh_connection(
    flows: Access, sandbox_id: str, ttl_seconds: int | None = None
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Open an SSH connection into a sandbox; connection and session are closed whatever happens.

    Raises:
        APIError: the platform has no SSH for this sandbox, or refused.
        ConnectionFailedError: nothing answered at the address that the platform gave.
    """
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = key.export_public_key().decode().strip()
    session = await flows.create_ssh_session(sandbox_id, ttl_seconds, public_key=public)
    try:
        connection = await _connect(session, key)
        try:
            yield connection
        finally:
            connection.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.wait_closed(), 5)
    finally:
        with contextlib.suppress(SandboxClientError):
            await flows.close_ssh_session(sandbox_id, session.session_id)


async def _connect(session: SSHSession, key: asyncssh.SSHKey) -> asyncssh.SSHClientConnection:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CONNECT_SECONDS
    pause = 0.1
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                link = await _socket(session)
                try:
                    return await asyncssh.connect(
                        sock=link,
                        username=session.session_id,
                        client_keys=[key],
                        known_hosts=None,
                        config=None,
                        agent_path=None,
                        keepalive_interval=15,
                        encryption_algs=PREFERRED_CIPHERS,
                    )
                except BaseException:
                    link.close()
                    raise
        except (OSError, asyncssh.Error) as error:
            if loop.time() + pause >= deadline:
                raise ConnectionFailedError(
                    f"no SSH connection to {session.host}:{session.port}: {error}", sandbox_id=session.sandbox_id
                ) from None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)


async def _socket(session: SSHSession) -> socket.socket:
    """Connect, and say the first line that the VM form wants."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(session.host, session.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    link = socket.socket(family, kind, protocol)
    try:
        link.setblocking(False)
        await loop.sock_connect(link, address)
        if session.token is None:
            await loop.sock_sendall(link, PREAMBLE.format(session.session_id).encode("ascii"))
    except BaseException:
        link.close()
        raise
    return link


class SSHChannel:
    """Runs one command over an SSH connection that is open; closes both afterwards."""

    def __init__(
        self, sandbox_id: str, connection: asyncssh.SSHClientConnection, cleanup: contextlib.AsyncExitStack
    ) -> None:
        self._sandbox_id = sandbox_id
        self._connection = connection
        self._cleanup = cleanup

    async def run(
        self, command: str, working_dir: str | None, env: Mapping[str, str] | None, timeout: int
    ) -> AsyncGenerator[CommandEvent, None]:
        """Run the command and yield what it says; leaving early stops it.

        Raises:
            CommandTimeoutError: it did not end in time; it has been stopped.
            ConnectionFailedError: the connection broke.
        """
        async with self._cleanup:
            process = await self._connection.create_process(
                command_line(command, working_dir, env), encoding=None, stdin=asyncssh.DEVNULL
            )
            pieces: asyncio.Queue[CommandOutput | None] = asyncio.Queue(64)
            readers = [
                asyncio.ensure_future(_pump(process.stdout, "stdout", pieces)),
                asyncio.ensure_future(_pump(process.stderr, "stderr", pieces)),
            ]
            try:
                yield CommandStarted("ssh")
                open_streams = len(readers)
                loop = asyncio.get_running_loop()
                deadline = loop.time() + timeout
                while open_streams:
                    async with asyncio.timeout_at(deadline):
                        piece = await pieces.get()
                    if piece is None:
                        open_streams -= 1
                    else:
                        yield piece
                async with asyncio.timeout_at(deadline):
                    await process.wait_closed()
                yield CommandEnded(_exit_code(process, self._sandbox_id))
            except TimeoutError:
                raise command_timeout(self._sandbox_id, command, timeout) from None
            except asyncssh.Error as error:
                raise ConnectionFailedError(
                    f"the SSH connection broke: {error}", sent=True, sandbox_id=self._sandbox_id
                ) from None
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.shield(asyncio.ensure_future(_end(process)))


async def ssh_channel(flows: Access, sandbox_id: str) -> SSHChannel:
    """Open a connection for one command.

    Raises:
        SandboxClientError: there is no SSH to be had.
    """
    cleanup = contextlib.AsyncExitStack()
    try:
        connection = await cleanup.enter_async_context(ssh_connection(flows, sandbox_id))
    except BaseException:
        await cleanup.aclose()
        raise
    return SSHChannel(sandbox_id, connection, cleanup)


def command_line(command: str, working_dir: str | None, env: Mapping[str, str] | None) -> str:
    """Return the shell text that runs a command in a place with some variables: SSH has neither."""
    if not env and not working_dir:
        return command
    place = f"{cd(working_dir)} && " if working_dir else ""
    return f"{exports(env)}{place}exec sh -c {word(command)}"


async def _pump(
    reader: asyncssh.SSHReader[bytes], name: Literal["stdout", "stderr"], pieces: asyncio.Queue[CommandOutput | None]
) -> None:
    try:
        while data := await reader.read(PIECE):
            await pieces.put(CommandOutput(name, data))
    except (OSError, asyncssh.Error):
        pass
    finally:
        if not asyncio.current_task().cancelling():  # type: ignore[union-attr] # it runs in a task
            await pieces.put(None)


async def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    """Stop a process that still runs: gently at first, then not."""
    for stop in (process.terminate, process.kill):
        if process.exit_status is not None or process.is_closing():
            break
        with contextlib.suppress(OSError, TimeoutError, asyncssh.Error):
            stop()
            await asyncio.wait_for(process.wait_closed(), STOP_SECONDS)
    process.close()


def _exit_code(process: asyncssh.SSHClientProcess[bytes], sandbox_id: str) -> int:
    if process.exit_status is not None and process.exit_status >= 0:
        return process.exit_status
    if process.returncode is not None:
        return process.returncode
    raise ConnectionFailedError("the SSH connection broke before the command ended", sent=True, sandbox_id=sandbox_id)
