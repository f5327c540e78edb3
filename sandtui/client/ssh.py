"""SSH into a sandbox, in both forms (WIRE.md 7).

The key pair is created in memory for one session and never stored. The host key is verified if the platform returns it
with the session, as the local one does. The hosted platform returns none: there only the address, which comes over the
authenticated API, vouches for the host, and a shell shows that (see :func:`is_host_checked`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import TYPE_CHECKING

import asyncssh

from sandtui.cancellation import run_to_end
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
    from collections.abc import Awaitable, Callable
    from typing import Literal

    ShowOutput = Callable[[Literal["stdout", "stderr"], bytes], Awaitable[None]]

CONNECT_SECONDS = 15.0
"""Seconds to wait for the connection: a container's exposure takes a few to come up (WIRE.md 7)."""

STOP_SECONDS = 2.0
"""Grace period in seconds between terminating and killing a command."""

PREFERRED_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Preferred because of AES instructions: twice the throughput of the default. The others stay allowed."""

PREAMBLE = "PRIME-SSH-SESSION {}\n"
PIECE = 64 * 1024


@contextlib.asynccontextmanager
async def ssh_connection(
    flows: Access, sandbox_id: str, ttl_seconds: int | None = None
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Open an SSH connection into a sandbox; leaving the block closes connection and session.

    Raises:
        APIError: the platform has no SSH for this sandbox, or refused.
        ConnectionFailedError: the address that the platform returned is not reachable.
    """
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = key.export_public_key().decode().strip()
    session = await flows.create_ssh_session(sandbox_id, ttl_seconds, public_key=public)
    try:
        connection = await _connect(session, key, may_be_here=flows.is_platform_here)
        try:
            yield connection
        finally:
            connection.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.wait_closed(), 5)
    finally:
        with contextlib.suppress(SandboxClientError):
            await flows.close_ssh_session(sandbox_id, session.session_id)


def is_host_checked(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether the host key was verified against the one that the platform returned."""
    return bool(connection.get_extra_info("host_checked"))


async def _connect(session: SSHSession, key: asyncssh.SSHKey, *, may_be_here: bool) -> asyncssh.SSHClientConnection:
    loop = asyncio.get_running_loop()
    trusted = _trusted(session)
    deadline = loop.time() + CONNECT_SECONDS
    pause = 0.1
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                link = await _socket(session, may_be_here=may_be_here)
                try:
                    connection = await asyncssh.connect(
                        sock=link,
                        username=session.session_id,
                        client_keys=[key],
                        known_hosts=trusted,
                        config=None,
                        agent_path=None,
                        keepalive_interval=15,
                        encryption_algs=PREFERRED_CIPHERS,
                    )
                    connection.set_extra_info(host_checked=trusted is not None)
                    return connection
                except BaseException:
                    link.close()
                    raise
        except asyncssh.HostKeyNotVerifiable:
            raise ConnectionFailedError(
                f"{session.host}:{session.port} is not the SSH server announced by the platform: its host key differs",
                sandbox_id=session.sandbox_id,
            ) from None
        except (OSError, asyncssh.Error) as error:
            if loop.time() + pause >= deadline:
                raise ConnectionFailedError(
                    f"no SSH connection to {session.host}:{session.port}: {error}", sandbox_id=session.sandbox_id
                ) from None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)


def _trusted(session: SSHSession) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]] | None:
    if session.host_key is None:
        return None
    try:
        return [asyncssh.import_public_key(session.host_key)], [], []
    except (asyncssh.KeyImportError, ValueError):
        raise ConnectionFailedError(
            "the platform returned an invalid host key of the SSH server", sandbox_id=session.sandbox_id
        ) from None


async def _socket(session: SSHSession, *, may_be_here: bool) -> socket.socket:
    """Connect, and send the first line of the VM form."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(session.host, session.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    if not may_be_here and _is_close(str(address[0])):
        # A remote platform could direct us to services of this machine, or to a cloud's metadata service.
        raise ConnectionFailedError(
            f"the platform names {session.host} as the SSH server, a loopback or link-local address",
            sandbox_id=session.sandbox_id,
        )
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


def _is_close(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast


class SSHChannel:
    """Runs one command over an open SSH connection and closes it afterwards."""

    def __init__(
        self, sandbox_id: str, connection: asyncssh.SSHClientConnection, cleanup: contextlib.AsyncExitStack
    ) -> None:
        self._sandbox_id = sandbox_id
        self._connection = connection
        self._cleanup = cleanup

    async def run(
        self, command: str, working_dir: str | None, env: Mapping[str, str] | None, timeout: int
    ) -> AsyncGenerator[CommandEvent, None]:
        """Run the command and yield its events; leaving early stops it.

        Raises:
            CommandTimeoutError: it did not finish in time; it has been stopped.
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
                await run_to_end(_end(process))

    async def attached(
        self,
        command: str,
        working_dir: str | None,
        env: Mapping[str, str] | None,
        given: AsyncIterator[bytes] | None,
        show: ShowOutput,
    ) -> int:
        """Run a command until it ends, and return its exit code; leaving early stops it.

        ``given`` is its input, none if that is None; ``show`` gets its output as it comes, and may hold it back.

        Raises:
            ConnectionFailedError: the connection broke.
        """
        async with self._cleanup:
            process = await self._connection.create_process(
                command_line(command, working_dir, env),
                encoding=None,
                stdin=asyncssh.DEVNULL if given is None else asyncssh.PIPE,
            )
            feeding = None if given is None else asyncio.ensure_future(_feed(process.stdin, given))
            shown = [
                asyncio.ensure_future(_show(process.stdout, "stdout", show)),
                asyncio.ensure_future(_show(process.stderr, "stderr", show)),
            ]
            try:
                await asyncio.gather(*shown)
                await process.wait_closed()
                return _exit_code(process, self._sandbox_id)
            except asyncssh.Error as error:
                raise ConnectionFailedError(
                    f"the SSH connection broke: {error}", sent=True, sandbox_id=self._sandbox_id
                ) from None
            finally:
                work = [*shown, *([] if feeding is None else [feeding])]
                for each in work:
                    each.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                await run_to_end(_end(process))


async def ssh_channel(flows: Access, sandbox_id: str) -> SSHChannel:
    """Open a connection for one command.

    Raises:
        SandboxClientError: SSH is not available.
    """
    cleanup = contextlib.AsyncExitStack()
    try:
        connection = await cleanup.enter_async_context(ssh_connection(flows, sandbox_id))
    except BaseException:
        await cleanup.aclose()
        raise
    return SSHChannel(sandbox_id, connection, cleanup)


def command_line(command: str, working_dir: str | None, env: Mapping[str, str] | None) -> str:
    """Return shell text that sets directory and variables and runs a command: SSH can't transmit them."""
    if not env and not working_dir:
        return command
    place = f"{cd(working_dir)} && " if working_dir else ""
    return f"{exports(env)}{place}exec sh -c {word(command)}"


async def _feed(writer: asyncssh.SSHWriter[bytes], given: AsyncIterator[bytes]) -> None:
    # A command that has ended, or reads no further, is no error.
    with contextlib.suppress(OSError, asyncssh.Error):
        async for data in given:
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _show(reader: asyncssh.SSHReader[bytes], name: Literal["stdout", "stderr"], show: ShowOutput) -> None:
    while data := await reader.read(PIECE):
        await show(name, data)


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
    """Terminate a running process, then kill it."""
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
