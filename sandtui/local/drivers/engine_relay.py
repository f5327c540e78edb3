"""A socket for a stream that has none, such as a channel of SSH."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

from sandtui.local.drivers.engine_links import EngineReader, EngineWriter

_CHUNK: Final = 65536


async def relayed(reader: EngineReader, writer: EngineWriter) -> socket.socket:
    """Return a socket whose other end is carried by a stream until both directions have ended."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    try:
        near_reader, near_writer = await asyncio.open_connection(sock=ours)
    except BaseException:
        ours.close()
        theirs.close()
        writer.close()
        raise
    _keep(asyncio.create_task(_carry(reader, writer, near_reader, near_writer), name="engine port"))
    return theirs


async def _carry(
    reader: EngineReader, writer: EngineWriter, near_reader: EngineReader, near_writer: EngineWriter
) -> None:
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, near_writer))
            both.create_task(_copy(near_reader, writer))
    except* OSError:
        pass  # one side was reset, so both end
    finally:
        writer.close()
        near_writer.close()


async def _copy(source: EngineReader, target: EngineWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.write_eof()


_running: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    _running.add(task)
    task.add_done_callback(_running.discard)
