"""One SSH port for all sandboxes: both forms of a connection, shells, files and forwarded ports (client/WIRE.md 7)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final, Literal

import asyncssh
from asyncssh.connection import SSHConnection
from asyncssh.stream import SSHTCPStreamSession

from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import DriverError, FileFailed, Instance
from sandtui.local.files import read_private, write_private
from sandtui.local.gateway.forward import LOOPBACK
from sandtui.local.settings import LocalError
from sandtui.local.ssh.files import SandboxFiles
from sandtui.local.ssh.forward import ReverseListener, relay
from sandtui.local.ssh.sessions import SshSession, SshSessions
from sandtui.local.ssh.shell import run_process

PREAMBLE: Final = b"PRIME-SSH-SESSION "
LOGIN_SECONDS: Final = 30.0
MAX_CONNECTIONS: Final = 500
_PEEK_SECONDS: Final = 2.0
_MAX_PREAMBLE: Final = 256
_OWN_NAMES: Final = frozenset({"localhost", LOOPBACK, "::1", "0.0.0.0", "::", ""})  # noqa: S104

# asyncssh logs each login, which is noise in a platform's log.
logging.getLogger("asyncssh").setLevel(logging.ERROR)


class SshServer:
    """Accepts connections and passes them to their sandboxes."""

    def __init__(self, sessions: SshSessions, lifecycle: Lifecycle) -> None:
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._connections: dict[asyncssh.SSHServerConnection, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self.host = LOOPBACK
        self.port = 0
        self.host_key = ""
        sessions.on_close.append(self._cut)

    async def open(self, host: str, key_path: Path) -> None:
        """Listen. The host key is created once, so that clients which remember it do not warn of a change."""
        key = await asyncio.to_thread(_host_key, key_path)
        self.host_key = key.export_public_key().decode("ascii").strip()
        self._options = await asyncssh.SSHServerConnectionOptions.construct(
            server_host_keys=[key],
            process_factory=self._process,
            sftp_factory=self._files,
            allow_scp=True,
            encoding=None,
            line_editor=False,
            login_timeout=LOGIN_SECONDS,
            agent_forwarding=False,
            x11_forwarding=False,
            server_version="sandtui",
        )
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, proto=socket.IPPROTO_TCP)[0]
        listener = socket.socket(family, kind, protocol)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
        self._listener = listener
        bound, self.port = listener.getsockname()[:2]
        self.host = LOOPBACK if bound in _OWN_NAMES else bound
        self._spawn(self._accept(listener))

    async def close(self) -> None:
        """Stop listening and close all connections."""
        for connection in list(self._connections):
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._listener is not None:
            self._listener.close()

    def instance(self, connection: SSHConnection) -> Instance:
        """Return the sandbox that a connection is logged in to."""
        sandbox_id = str(connection.get_extra_info("sandbox_id"))
        instance = self._lifecycle.instance(sandbox_id)
        if instance is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "The sandbox is not running.")
        return instance

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            if len(self._tasks) > MAX_CONNECTIONS:
                sock.close()
                continue
            self._spawn(self._serve(sock))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work, name="ssh")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        try:
            announced = await read_preamble(sock)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                return
            raise
        options = await asyncssh.SSHServerConnectionOptions.construct(
            self._options, server_factory=lambda: _Login(self, self._sessions, announced)
        )
        try:
            connection = await asyncssh.run_server(sock, options=options)
        except (OSError, asyncssh.Error, TimeoutError):
            _hang_up(sock)
            return
        except asyncio.CancelledError:
            _hang_up(sock)
            raise
        self._connections[connection] = str(connection.get_extra_info("session_id"))
        try:
            await connection.wait_closed()
        finally:
            connection.abort()
            self._connections.pop(connection, None)

    async def _cut(self, session_id: str) -> None:
        for connection, owner in list(self._connections.items()):
            if owner == session_id:
                connection.abort()

    async def _process(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        connection = process.get_extra_info("connection")
        with self._lifecycle.activity(str(connection.get_extra_info("sandbox_id"))):
            await run_process(process, self.instance(connection))

    def _files(self, channel: asyncssh.SSHServerChannel[bytes]) -> SandboxFiles:
        return SandboxFiles(channel, self.instance(channel.get_connection()))


class _Login(asyncssh.SSHServer):
    """Authenticates with the key and the name of a session, and decides which ports may be forwarded."""

    def __init__(self, server: SshServer, sessions: SshSessions, announced: str | None) -> None:
        self._server = server
        self._sessions = sessions
        self._announced = announced
        self._session: SshSession | None = None
        self._connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Store the connection."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Require authentication."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Return that only public keys are supported."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Return whether a key is authorized for the session with this name."""
        if self._announced not in (None, username):
            return False
        session = self._sessions.admits(username, key.public_data)
        if session is None:
            return False
        self._session = session
        self._connection.set_extra_info(session_id=session.id, sandbox_id=session.sandbox_id)
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        """Forward a connection of the client to a port of the sandbox."""
        return self._dial(dest_host, dest_port)

    async def _dial(self, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        if host.lower() not in _OWN_NAMES:
            reason = "Only the sandbox's own ports can be forwarded: use localhost."
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, reason)
        try:
            sock = await self._server.instance(self._connection).dial(port)
        except DriverError as error:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from error

        async def carry(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
            await relay(reader, writer, sock)

        return SSHTCPStreamSession[bytes](carry)

    async def server_requested(self, listen_host: str, listen_port: int) -> asyncssh.SSHListener | Literal[False]:
        """Listen on the sandbox's loopback and forward connections to the client."""
        try:
            sock = await self._server.instance(self._connection).listen(listen_port)
        except (FileFailed, DriverError):
            return False
        return ReverseListener(self._connection, sock, listen_host)


async def read_preamble(sock: socket.socket) -> str | None:
    """Read the line that the VM form of a connection starts with; return None for the container form, which has none.

    The data is peeked at first, so that an SSH banner stays in the socket.
    """
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    end = loop.time() + _PEEK_SECONDS
    seen = b""
    while True:
        with contextlib.suppress(BlockingIOError):
            seen = sock.recv(_MAX_PREAMBLE, socket.MSG_PEEK)
            if not seen:
                raise ConnectionResetError
        line, newline, _ = seen.partition(b"\n")
        if newline and line.startswith(PREAMBLE):
            sock.recv(len(line) + 1)
            return line[len(PREAMBLE) :].strip().decode("ascii", "replace")
        if newline or not PREAMBLE.startswith(seen[: len(PREAMBLE)]) or len(seen) >= _MAX_PREAMBLE:
            return None
        if loop.time() >= end:
            return None  # the client waits for our banner before it sends its own
        # Peeked data keeps the socket readable: waiting for it would spin.
        await asyncio.sleep(0.01)


def _hang_up(sock: socket.socket) -> None:
    # The transport closes the socket: if it were closed here, the transport would use a descriptor that may be
    # another connection's by then.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _host_key(path: Path) -> asyncssh.SSHKey:
    text = read_private(path)
    if text is None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        write_private(path, key.export_private_key().decode("ascii"))
        return key
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise LocalError(f"The file {path} is not an SSH key. Remove it to have a new one created.") from error
