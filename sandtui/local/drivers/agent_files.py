"""Files of a sandbox that its agent opened; they are read and written here, in threads."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any, TypeVar

from sandtui.local.drivers.agent_responses import raise_error
from sandtui.local.drivers.base import FileFailed
from sandtui.local.drivers.channel import Channel

_T = TypeVar("_T")


class _AgentFile:
    """A descriptor used in threads; it is closed once no thread uses it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._work: asyncio.Future[Any] | None = None

    async def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        self._work = asyncio.ensure_future(asyncio.to_thread(function, self._fd, *arguments))
        try:
            return await asyncio.shield(self._work)
        except OSError as error:
            raise FileFailed(error.errno or errno.EIO, error.strerror or str(error)) from error

    def _close_fd(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if self._work is None or self._work.done():
            os.close(fd)
        else:
            # The number must not be reused for another file while a thread still writes to it.
            self._work.add_done_callback(lambda _: os.close(fd))


class AgentReadFile(_AgentFile):
    """A file that an agent opened for reading."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.size = os.fstat(fd).st_size

    async def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from an offset."""
        return await self._in_thread(os.pread, length, offset)

    def close(self) -> None:
        """Close the file."""
        self._close_fd()


class AgentWriteFile(_AgentFile):
    """A temporary file that an agent created beside its target."""

    def __init__(self, channel: Channel, fd: int) -> None:
        super().__init__(fd)
        self._channel = channel

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        await self._in_thread(_write_all, data)

    async def commit(self) -> None:
        """Sync the file and move it to its target."""
        await self._in_thread(os.fsync)
        raise_error(await self._channel.ask({"op": "commit"}), FileFailed)

    def close(self) -> None:
        """Close the file; the agent removes it unless it was committed."""
        self._channel.close()
        self._close_fd()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
