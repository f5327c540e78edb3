"""Standard input and output as bytes, for commands that pass them through; nothing blocks the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import stat
import sys
import threading
from collections.abc import AsyncIterator
from typing import Final, Literal

_PIECE: Final = 64 * 1024
_PIECES_AHEAD: Final = 4
_POLL_SECONDS: Final = 0.2


def has_input() -> bool:
    """Whether standard input is open."""
    return _descriptor(sys.stdin) is not None


def has_piped_input() -> bool:
    """Whether standard input is a pipe, a socket or a file."""
    descriptor = _descriptor(sys.stdin)
    if descriptor is None:
        return False
    kind = os.fstat(descriptor).st_mode
    return stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)


async def read_standard_input() -> AsyncIterator[bytes]:
    """Yield standard input as it comes, to its end; nothing if it is closed.

    A thread reads: files cannot be polled, and a read that nobody needs any more must not hold up the end of the
    program.
    """
    descriptor = _descriptor(sys.stdin)
    if descriptor is None:
        return
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(_PIECES_AHEAD)

    def read() -> None:
        data = b"-"
        while data:
            room.acquire()
            try:
                data = os.read(descriptor, _PIECE)
            except OSError:
                data = b""  # a terminal that is gone
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(pieces.put_nowait, data)

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while data := await pieces.get():
        yield data
        room.release()


async def write_standard_stream(name: Literal["stdout", "stderr"], data: bytes) -> None:
    """Write bytes to standard output or standard error, as they are; drop them if it is closed.

    Raises:
        OSError: they cannot be written; a BrokenPipeError if the reader has gone.
    """
    descriptor = _descriptor(sys.stdout if name == "stdout" else sys.stderr)
    if descriptor is None:
        return
    cancelled = threading.Event()
    try:
        await asyncio.to_thread(_write, descriptor, data, cancelled)
    finally:
        cancelled.set()


def _write(descriptor: int, data: bytes, cancelled: threading.Event) -> None:
    # A pipe that is reported as writable takes that many bytes without waiting.
    most = select.PIPE_BUF if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else _PIECE
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    view = memoryview(data)
    while view and not cancelled.is_set():
        if poll.poll(_POLL_SECONDS * 1000):
            view = view[os.write(descriptor, view[:most]) :]


def _descriptor(stream: object) -> int | None:
    try:
        return int(stream.fileno())  # type: ignore[attr-defined] # caught
    except (AttributeError, OSError, ValueError):
        return None
