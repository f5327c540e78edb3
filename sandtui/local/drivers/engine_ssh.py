"""Reaches a container engine through SSH, as ``docker`` does, with the user's keys, agent and known hosts."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncssh

from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.engine_address import EngineAddress
from sandtui.local.drivers.engine_links import CONNECT_SECONDS, EngineStream

SOCKET: Final = "/var/run/docker.sock"
DIAL: Final = "docker system dial-stdio"
KEEPALIVE_SECONDS: Final = 15
MAX_SESSIONS: Final = 8
"""Commands per connection: SSH servers allow 10 by default, and forwarded sockets do not count."""

_PING: Final = b"GET /_ping HTTP/1.1\r\nHost: engine\r\n\r\n"
_MAX_ERROR: Final = 2000

T = TypeVar("T")


async def _within(step: Awaitable[T]) -> T:
    async with asyncio.timeout(CONNECT_SECONDS):
        return await step


def _reason(error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code is not None and code in errno.errorcode:
        return os.strerror(code)  # asyncio's own text would repeat the address
    text = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().rstrip(".")


class SshLink:
    """Streams through SSH: forwarded to the engine's socket, or else through ``docker system dial-stdio``."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self._lock = asyncio.Lock()
        self._connections: dict[asyncssh.SSHClientConnection, int] = {}
        """The connections, with the number of commands on each."""
        self._dials: bool | None = None if not address.path else False
        """Whether streams are commands; None until it is known."""

    async def open(self) -> EngineStream:
        """Open a stream."""
        if self._dials is None:
            await self._find_way()
        if self._dials:
            return (await self._dial())[:2]
        connection = await self._connection()
        try:
            return await _within(connection.open_unix_connection(self.address.path or SOCKET))
        except (OSError, asyncssh.Error) as error:
            raise DriverError(
                f"Nothing responds on the socket {self.address.path or SOCKET} of {self._host}: {_reason(error)}. "
                f"Check that the engine runs there, and that the user may access its socket."
            ) from error

    async def open_port(self, host: str, port: int) -> EngineStream:
        """Open a stream to an address as the SSH host reaches it."""
        connection = await self._connection()
        try:
            return await _within(connection.open_connection(host, port))
        except asyncssh.Error as error:
            raise ConnectionRefusedError(_reason(error)) from error

    async def close(self) -> None:
        """Close the SSH connections."""
        connections, self._connections = list(self._connections), {}
        for connection in connections:
            connection.close()
        for connection in connections:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.wait_closed(), 5)

    async def _find_way(self) -> None:
        connection = await self._connection()
        try:
            _, writer = await _within(connection.open_unix_connection(SOCKET))
        except (OSError, asyncssh.Error):
            # Another socket, or forwarding is off. The command knows where its engine listens.
            await self._check_dial()
            self._dials = True
        else:
            writer.close()
            self._dials = False

    async def _check_dial(self) -> None:
        reader, writer, errors = await self._dial()
        try:
            with contextlib.suppress(OSError):  # a command that has already failed reads nothing
                writer.write(_PING)
            if await _within(reader.read(1)):
                return
            said = (await _within(errors.read(_MAX_ERROR))).decode("utf-8", "replace").strip()
        except (OSError, asyncssh.Error) as error:
            said = _reason(error)
        finally:
            writer.close()
        said = said.splitlines()[-1] if said else "no response"
        raise DriverError(
            f"`{DIAL}` on {self._host} failed: {said.rstrip('.')}. Check that Docker runs there and that the user may "
            "use it. For another engine name its socket, as in "
            f"{str(self.address).rstrip('/')}/run/podman/podman.sock."
        )

    async def _dial(
        self,
    ) -> tuple[asyncssh.SSHReader[bytes], _CountedWriter, asyncssh.SSHReader[bytes]]:
        connection = await self._connection(for_command=True)
        self._connections[connection] += 1
        try:
            writer, reader, errors = await _within(connection.open_session(DIAL, encoding=None))
        except (OSError, asyncssh.Error) as error:
            self._ended(connection)
            raise DriverError(f"`{DIAL}` cannot be started on {self._host}: {_reason(error)}.") from error
        return reader, _CountedWriter(writer, lambda: self._ended(connection)), errors

    def _ended(self, connection: asyncssh.SSHClientConnection) -> None:
        if connection in self._connections:
            self._connections[connection] -= 1

    async def _connection(self, *, for_command: bool = False) -> asyncssh.SSHClientConnection:
        async with self._lock:
            for connection in [one for one in self._connections if one.is_closed()]:
                del self._connections[connection]
            for connection, commands in self._connections.items():
                if not for_command or commands < MAX_SESSIONS:
                    return connection
            connection = await self._connect()
            self._connections[connection] = 0
            return connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        address = self.address
        try:
            return await _within(
                asyncssh.connect(
                    address.host,
                    address.port or (),
                    username=address.user or (),
                    # Nobody is there to type one.
                    password=None,
                    preferred_auth=("publickey",),
                    keepalive_interval=KEEPALIVE_SECONDS,
                )
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise DriverError(
                f"The host key of {self._host} is not known or has changed. Check it, and accept it once with "
                f"`{self._command}`."
            ) from error
        except asyncssh.PermissionDenied as error:
            raise DriverError(
                f"{self._host} accepts none of your SSH keys. Load one with ssh-add, or set IdentityFile in "
                f"~/.ssh/config; `{self._command}` must work without a password."
            ) from error
        except TimeoutError as error:
            raise DriverError(f"{self._host} does not respond to SSH within {CONNECT_SECONDS:g} seconds.") from error
        except (OSError, asyncssh.Error, ValueError) as error:
            raise DriverError(f"No SSH connection to {self._host}: {_reason(error)}.") from error

    @property
    def _host(self) -> str:
        return f"{self.address.user}@{self.address.host}" if self.address.user else self.address.host

    @property
    def _command(self) -> str:
        port = "" if self.address.port is None else f"-p {self.address.port} "
        return f"ssh {port}{self._host}"


class _CountedWriter:
    """The input of a command; closing it, which ends the command, is reported once."""

    def __init__(self, writer: asyncssh.SSHWriter[bytes], closed: Callable[[], None]) -> None:
        self._writer = writer
        self._closed: Callable[[], None] | None = closed

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    def write_eof(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.channel.close()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()
