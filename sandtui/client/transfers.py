"""The local side of a transfer: bodies read from files, replies written to files, nothing half-done.

A local file is written under a temporary name beside its final one, flushed to the disk and renamed: whatever
happens, the final name holds the old file or the whole new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from sandtui.client.call import StreamedBody
from sandtui.client.errors import InvalidRequestError, MalformedReplyError
from sandtui.client.port import Port

PIECE = 256 * 1024
"""Bytes that are read from a local file at once."""


class Progress(Protocol):
    """What is called as bytes arrive; ``total`` is None when it is not known."""

    def __call__(self, done: int, total: int | None) -> object:
        """Take note; both in bytes."""
        ...


def no_progress(done: int, total: int | None) -> None:
    """Ignore the progress."""


class Range:
    """A part of a local file that is sent. ``sha256`` is of the bytes that were sent last, when ``hashed``."""

    def __init__(
        self, path: Path, offset: int, length: int, on_bytes: Callable[[int], None], *, hashed: bool = False
    ) -> None:
        self._path, self._offset, self._length, self._on_bytes = path, offset, length, on_bytes
        self._hashed = hashed
        self.sha256 = hashlib.sha256()

    def read(self) -> Iterator[bytes]:
        """Yield the bytes.

        Raises:
            InvalidRequestError: the file became shorter meanwhile.
        """
        self.sha256 = hashlib.sha256()
        left = self._length
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while left:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise InvalidRequestError(f"{self._path} became shorter while it was sent")
                left -= len(piece)
                if self._hashed:
                    self.sha256.update(piece)
                yield piece
                self._on_bytes(len(piece))


def multipart(name: str, length: int, read: Callable[[], Iterator[bytes]]) -> tuple[StreamedBody, str]:
    """Return a body of one part called ``file``, and its content type (wire.md 3)."""
    boundary = secrets.token_hex(16)
    # The name is not used for the path; anything that could end the header is left out.
    safe = "".join(c for c in name if c.isascii() and c.isprintable() and c not in '"\\') or "file"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{safe}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        yield head
        yield from read()
        yield tail

    body = StreamedBody(len(head) + length + len(tail), pieces)
    return body, f"multipart/form-data; boundary={boundary}"


def check_source(path: Path) -> int:
    """Return the size in bytes of a local file that is to be sent.

    Raises:
        InvalidRequestError: there is no such file, it is a directory, or it can't be read.
    """
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except IsADirectoryError:
        raise InvalidRequestError(f"{path} is a directory; send its files one by one, or an archive") from None
    except OSError as error:
        raise InvalidRequestError(f"{path} can't be read: {error.strerror}") from None


WRITE_AT_ONCE = 1024 * 1024
"""Bytes that are gathered before they are written: pieces are small, and a write in a thread is not free."""

MAX_VECTORS = 512
"""Pieces in one write: systems allow 1,024."""

RESTART_BELOW = 8 * 1024 * 1024
"""Bytes up to which a broken download is simply started again."""


class LocalFile:
    """A sink that becomes a file when it is finished. ``sha256`` is of what it holds, when it is ``hashed``."""

    def __init__(self, port: Port, path: Path, on_progress: Progress, *, hashed: bool = False) -> None:
        self._port, self._path, self._on_progress = port, path, on_progress
        self._hashed = hashed
        self._temporary: Path | None = None
        self._file: BinaryIO | None = None
        self._expected: int | None = None
        self._base = 0
        self._kept = False
        self._resumable = False
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.done = 0
        self.total: int | None = None
        self.sha256 = hashlib.sha256()

    async def open(self) -> None:
        """Make the temporary file, and the directories above it.

        Raises:
            InvalidRequestError: the path is a directory, or nothing can be written there.
        """
        try:
            await self._port.work(self._open)
        except OSError as error:
            raise InvalidRequestError(f"{self._path} can't be written: {error.strerror}") from None

    @property
    def may_restart(self) -> bool:
        """Whether little enough has come to start again."""
        return self.done - self._base < RESTART_BELOW

    async def resume_as(self, identity: str) -> None:
        """Go on with what an earlier try of the same transfer has left, and leave it for a later one.

        ``identity`` names the content; ``done`` says afterwards how many bytes there are.
        """
        await self._port.work(self._resume_as, identity)

    async def cut(self, length: int) -> None:
        """Go back to the first ``length`` bytes."""
        self._base = length
        await self._port.work(self._rewind)

    async def begin(self, length: int | None) -> None:
        """Start, or start anew after a broken reply, at the place where this part began."""
        if self.done != self._base:
            await self._port.work(self._rewind)
        self._expected = None if length is None else self._base + length
        if self.total is None:
            self.total = self._expected

    async def take(self, piece: bytes) -> None:
        """Take a piece; some together are written at once."""
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        self.done += len(piece)
        if self._pending_bytes >= WRITE_AT_ONCE:
            await self._port.work(self._write_pending)
        self._on_progress(self.done, self.total)

    async def check_whole(self) -> None:
        """Make sure that all that was announced has come.

        Raises:
            MalformedReplyError: it has not.
        """
        await self._port.work(self._write_pending)
        if self._expected is not None and self.done != self._expected:
            raise MalformedReplyError(f"the platform announced {self._expected} bytes and sent {self.done}")
        self._base = self.done

    async def finish(self) -> None:
        """Give the file its name."""
        await self._port.work(self._finish)

    def keep(self) -> None:
        """Leave what was written for a later try, when it was given an identity."""
        self._kept = self._resumable

    def discard(self) -> None:
        """Remove what was written, unless it was finished or is kept."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._temporary is not None and not self._kept:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None

    def _resume_as(self, identity: str) -> None:
        self._write_pending()
        assert self._file is not None
        assert self._temporary is not None
        lasting = self._path.with_name(f".{self._path.name[:200]}.{identity}.part")
        self._resumable = True
        if lasting.exists() and lasting.stat().st_size >= self.done:
            self._file.close()
            self._temporary.unlink()
            self._temporary = lasting
            self._file = lasting.open("r+b", buffering=0)
            self.done = self._file.seek(0, os.SEEK_END)
        else:
            self._temporary = self._temporary.replace(lasting)

    def _open(self) -> None:
        if self._path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self._path.with_name(f".{self._path.name[:200]}.{secrets.token_hex(4)}.part")
        self._file = self._temporary.open("xb", buffering=0)

    def _rewind(self) -> None:
        assert self._file is not None
        self._pending, self._pending_bytes = [], 0
        self._file.seek(self._base)
        self._file.truncate()
        self.done = self._base
        self.sha256 = hashlib.sha256()
        if self._base and self._hashed:
            with self._temporary.open("rb") as kept:  # type: ignore[union-attr] # it is open
                for piece in iter(lambda: kept.read(PIECE), b""):
                    self.sha256.update(piece)

    def _write_pending(self) -> None:
        pieces, self._pending, self._pending_bytes = self._pending, [], 0
        if not pieces:
            return
        assert self._file is not None
        if self._hashed:
            for piece in pieces:
                self.sha256.update(piece)
        views = [memoryview(piece) for piece in pieces]
        while views:
            written = os.writev(self._file.fileno(), views[:MAX_VECTORS])
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]

    def _finish(self) -> None:
        self._write_pending()
        assert self._file is not None
        assert self._temporary is not None
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._temporary.replace(self._path)
        self._temporary = None
