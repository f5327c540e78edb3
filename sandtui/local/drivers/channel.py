"""The platform's end of the socket to an agent. The agent is not trusted."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sandtui.local.agent.protocol import MAX_FDS, Decoder, ProtocolError, encode
from sandtui.local.drivers.base import SandboxBusy, SandboxGone
from sandtui.local.readiness import readable

REPLY_SECONDS = 60.0
"""On a starved machine an agent may not run for seconds; one that has ended closes its socket at once."""

CONNECT_SECONDS = 60.0
_LONGEST_PAUSE = 0.2
_CHUNK = 65536
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class AgentResponse:
    """A message of the agent and the descriptors that came with it, which the receiver must close."""

    def __init__(self, message: dict[str, Any], fds: list[int]) -> None:
        self.message = message
        self.fds = fds

    def close(self) -> None:
        """Close all descriptors."""
        while self.fds:
            os.close(self.fds.pop())


class Channel:
    """A connection to an agent. Closing it ends what was started over it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._decoder = Decoder()
        self._fds: list[int] = []

    @classmethod
    async def connect(cls, directory: Path, name: str) -> Channel:
        """Connect to the agent whose socket is in a directory."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        holder = -1
        try:
            address = str(directory / name)
            if len(os.fsencode(address)) > 100 and sys.platform == "linux":
                # Socket addresses are short; a path through a descriptor always fits.
                holder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                address = f"/proc/self/fd/{holder}/{name}"
            await _connect(sock, address)
        except BlockingIOError as error:
            sock.close()
            raise SandboxBusy("The sandbox does not respond: its agent has too much to do.") from error
        except OSError as error:
            sock.close()
            raise SandboxGone("The sandbox's agent does not respond.") from error
        except BaseException:
            sock.close()
            raise
        finally:
            if holder >= 0:
                os.close(holder)
        return cls(sock)

    @property
    def peer_pid(self) -> int | None:
        """The agent's pid as reported by the kernel, if it does."""
        if not hasattr(socket, "SO_PEERCRED"):
            return None
        raw = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(raw[:4], sys.byteorder)

    async def ask(self, message: dict[str, Any], timeout: float = REPLY_SECONDS) -> AgentResponse:
        """Send a message and return the response."""
        await self.send(message)
        try:
            async with asyncio.timeout(timeout):
                return await self.receive()
        except TimeoutError as error:
            raise SandboxBusy("The sandbox does not respond in time.") from error

    async def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send a message, and descriptors with it."""
        data = encode(message)
        try:
            # A new connection has room; only what it has not waits.
            sent = socket.send_fds(self._sock, [data], fds) if fds else 0
            # Even an empty send fails when the other end has answered and left, and its answer would be lost.
            if sent < len(data):
                await asyncio.get_running_loop().sock_sendall(self._sock, data[sent:])
        except OSError as error:
            raise SandboxGone("The sandbox's agent has ended.") from error

    async def receive(self) -> AgentResponse:
        """Return the next message of the agent."""
        while True:
            try:
                message = self._decoder.next()
            except ProtocolError as error:
                raise SandboxGone(f"The sandbox's agent sent an invalid message: {error}.") from error
            if message is not None:
                fds, self._fds = self._fds, []
                return AgentResponse(message, fds)
            try:
                data, fds, _, _ = socket.recv_fds(self._sock, _CHUNK, MAX_FDS, _FLAGS)
            except BlockingIOError:
                await readable(self._sock.fileno())
                continue
            except OSError as error:
                raise SandboxGone("The sandbox's agent has ended.") from error
            for fd in fds:
                os.set_inheritable(fd, False)
            self._fds += fds
            if not data or len(self._fds) > MAX_FDS:
                raise SandboxGone("The sandbox's agent has ended.")
            self._decoder.feed(data)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()
        while self._fds:
            os.close(self._fds.pop())

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _connect(sock: socket.socket, address: str) -> None:
    # The full queue of a busy agent causes EAGAIN on a Unix socket, which the event loop treats as an error.
    end, pause = time.monotonic() + CONNECT_SECONDS, 0.005
    while True:
        try:
            sock.connect(address)
        except BlockingIOError as error:
            if error.errno != errno.EAGAIN or time.monotonic() >= end:
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        else:
            return
