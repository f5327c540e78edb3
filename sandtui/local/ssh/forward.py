"""Ports forwarded over SSH, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import asyncssh

_CHUNK = 65536


async def relay(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes], sock: socket.socket) -> None:
    """Carry data between a channel and a connected socket until both directions have ended."""
    from_sock, to_sock = await asyncio.open_connection(sock=sock)

    async def inward() -> None:
        while data := await reader.read(_CHUNK):
            to_sock.write(data)
            await to_sock.drain()
        to_sock.write_eof()

    async def outward() -> None:
        while data := await from_sock.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    tasks = [asyncio.ensure_future(inward()), asyncio.ensure_future(outward())]
    try:
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        to_sock.close()
        writer.close()


class ReverseListener(asyncssh.SSHListener):
    """A listening port in the sandbox whose connections are forwarded to the client."""

    def __init__(self, connection: asyncssh.SSHServerConnection, sock: socket.socket, host: str) -> None:
        super().__init__()
        self._connection = connection
        self._sock = sock
        self._host = host
        self._port = int(sock.getsockname()[1])
        self._carrying: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="ssh forward")

    def get_port(self) -> int:
        """Return the port in the sandbox."""
        return self._port

    def close(self) -> None:
        """Stop listening; open connections continue."""
        self._accepting.cancel()

    async def wait_closed(self) -> None:
        """Wait until the port is closed."""
        await asyncio.wait([self._accepting])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                client, address = await loop.sock_accept(self._sock)
                task = asyncio.create_task(self._carry(client, address[0], address[1]), name="ssh forward")
                self._carrying.add(task)
                task.add_done_callback(self._carrying.discard)
        finally:
            self._sock.close()

    async def _carry(self, client: socket.socket, host: str, port: int) -> None:
        try:
            reader, writer = await self._connection.open_connection(self._host, self._port, host, port, encoding=None)
        except (asyncssh.Error, OSError):
            client.close()
            return
        await relay(reader, writer, client)
