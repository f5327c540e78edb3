"""The local side of a transfer: what is sent from a file, its progress, and names beside it."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from sandtui.client.call import StreamedBody
from sandtui.client.errors import InvalidRequestError

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
    """Return a body of one part called ``file``, and its content type (WIRE.md 3)."""
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


def local_path(path: object) -> Path:
    """Return a path of this machine.

    Raises:
        InvalidRequestError: it is no path, is empty, or holds a NUL byte.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise InvalidRequestError(f"a local path must be a string or a Path, not {type(path).__name__}")
    text = os.fspath(path)
    if not text or "\0" in text:
        raise InvalidRequestError("the local path is empty or holds a NUL byte")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidRequestError("the local path holds characters that no file name has") from None
    return Path(text)


def check_source(path: Path) -> int:
    """Return the size in bytes of a local file that is to be sent.

    Raises:
        InvalidRequestError: there is no such file, it is no regular file, or it can't be read.
    """
    try:
        # Not blocking: opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InvalidRequestError(f"{path} can't be read: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InvalidRequestError(f"{path} is a directory; send its files one by one, or an archive")
    if not stat.S_ISREG(found.st_mode):
        raise InvalidRequestError(f"{path} is no regular file; write what it gives to one first")
    return found.st_size


MAX_NAME = 150
"""Bytes of a file's name that a temporary one beside it takes over: file systems allow 255, suffix included."""


def short_name(name: str) -> str:
    """Return a name that leaves room for a suffix; different names stay different."""
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) <= MAX_NAME:
        return name
    return f"{encoded[:MAX_NAME].decode('utf-8', 'ignore')}~{hashlib.sha256(encoded).hexdigest()[:8]}"
