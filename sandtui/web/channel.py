"""The channel between the server and the dashboard of a session: one JSON object a line, beside the terminal.

What a sandbox prints could reach the terminal, so pages, downloads and announcements go this way.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

VARIABLE: Final = "SANDTUI_WEB_CHANNEL"
"""The environment variable with the number of the dashboard's end."""

MAX_LINE: Final = 64 * 1024


class WebChannel:
    """One end of the channel. ``on_message`` gets each message, ``on_end`` is called when the other end is gone."""

    def __init__(self, end: socket.socket, on_message: Callable[[dict[str, Any]], object]) -> None:
        self._socket, self._on_message = end, on_message
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start to read."""
        reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=MAX_LINE)
        self._task = asyncio.create_task(self._read(reader), name="web channel")

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message; if the other end is gone or does not read, it is lost."""
        line = json.dumps(message).encode() + b"\n"
        writer = self._writer
        if writer is None or writer.is_closing() or len(line) > MAX_LINE:
            return
        if writer.transport.get_write_buffer_size() <= 16 * MAX_LINE:
            writer.write(line)

    async def close(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, ValueError):
            while line := await reader.readline():
                message = json.loads(line)
                if isinstance(message, dict):
                    self._on_message(message)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the server's end and the dashboard's."""
    own, other = socket.socketpair()
    own.setblocking(False)
    return own, other


def inherited() -> socket.socket | None:
    """Return the dashboard's end, if a server started this process; programs that it starts do not get it."""
    number = os.environ.pop(VARIABLE, "")
    if not number.isdecimal():
        return None
    try:
        end = socket.socket(fileno=int(number))
    except OSError:
        return None
    end.setblocking(False)
    end.set_inheritable(False)
    return end
