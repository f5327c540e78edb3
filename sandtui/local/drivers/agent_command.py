"""One command that a sandbox's agent runs; its streams are descriptors of this process."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator

from sandtui.local.drivers.agent_responses import exit_code
from sandtui.local.drivers.base import Stream
from sandtui.local.drivers.channel import Channel
from sandtui.local.readiness import readable, writable

_CHUNK = 65536


class AgentCommand:
    """A command that an agent runs."""

    def __init__(self, channel: Channel, pid: int, fds: dict[str, int]) -> None:
        self._channel = channel
        self._fds = fds
        self.pid = pid
        for fd in fds.values():
            os.set_blocking(fd, False)

    async def output(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield what the command writes to one stream."""
        fd = self._fds.get(stream, self._fds.get("pty", -1))
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                await readable(fd)
                continue
            except OSError as error:
                # How a terminal reports that its last process has ended.
                if error.errno == errno.EIO:
                    return
                raise
            if not data:
                return
            yield data
            # A process that writes without pause always has more: yield to other tasks.
            await asyncio.sleep(0)

    async def write(self, data: bytes) -> None:
        """Write to the input or the terminal."""
        fd = self._fds.get("stdin", self._fds.get("pty", -1))
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await writable(fd)

    def close_input(self) -> None:
        """Close the input."""
        fd = self._fds.pop("stdin", -1)
        if fd >= 0:
            os.close(fd)

    def resize(self, cols: int, rows: int) -> None:
        """Resize the terminal."""
        if "pty" in self._fds:
            fcntl.ioctl(self._fds["pty"], termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    async def wait(self) -> int:
        """Return the exit code."""
        response = await self._channel.receive()
        response.close()
        return exit_code(response.message)

    async def kill(self, signal: int) -> None:
        """Send a signal to the process group of the command."""
        await self._channel.send({"op": "kill", "signal": signal})

    def close(self) -> None:
        """Close the streams; the agent kills the command if it still runs."""
        self._channel.close()
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}
