"""The local side of a transfer: reading a file, its progress, and names of temporary files."""

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
"""Bytes per read of a local file."""


class Progress(Protocol):
    """A progress callback; ``total`` is None if unknown."""

    def __call__(self, done: int, total: int | None) -> object:
        """Report the progress; both in bytes."""
        ...


def no_progress(done: int, total: int | None) -> None:
    """Ignore the progress."""


class Range:
    """A range of a local file to send. With ``hashed``, ``sha256`` is the digest of the bytes last sent."""

    def __init__(
        self, path: Path, offset: int, length: int, on_bytes: Callable[[int], None], *, hashed: bool = False
    ) -> None:
        self._path, self._offset, self._length, self._on_bytes = path, offset, length, on_bytes
        self._hashed = hashed
        self.sha256 = hashlib.sha256()

    def read(self) -> Iterator[bytes]:
        """Yield the bytes.

        Raises:
            InvalidRequestError: the file was truncated while it was sent.
        """
        self.sha256 = hashlib.sha256()
        left = self._length
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while left:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise InvalidRequestError(f"{self._path} was truncated while it was sent")
                left -= len(piece)
                if self._hashed:
                    self.sha256.update(piece)
                yield piece
                self._on_bytes(len(piece))


def multipart(name: str, length: int, read: Callable[[], Iterator[bytes]]) -> tuple[StreamedBody, str]:
    """Return a multipart body with one part ``file``, and its content type (WIRE.md 3)."""
    boundary = secrets.token_hex(16)
    # The name does not determine the path; characters that could end the header are removed.
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
        InvalidRequestError: it is not a path, is empty, or contains a NUL byte.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise InvalidRequestError(f"a local path must be a string or a Path, not {type(path).__name__}")
    text = os.fspath(path)
    if not text or "\0" in text:
        raise InvalidRequestError("the local path is empty or contains a NUL byte")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidRequestError("the local path contains characters that can't be encoded") from None
    return Path(text)


def check_source(path: Path) -> int:
    """Return the size of a local file in bytes, before it is sent.

    Raises:
        InvalidRequestError: it does not exist, is not a regular file, or can't be read.
    """
    try:
        # O_NONBLOCK: opening a named pipe would wait for its writer.
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
        raise InvalidRequestError(f"{path} is not a regular file; save its content to one first")
    return found.st_size


MAX_NAME = 150
"""Bytes of a file's name that are used in the name of its temporary file: file systems allow 255 in all."""


def short_name(name: str) -> str:
    """Return a name with room for a suffix; different names stay different."""
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) <= MAX_NAME:
        return name
    return f"{encoded[:MAX_NAME].decode('utf-8', 'ignore')}~{hashlib.sha256(encoded).hexdigest()[:8]}"
