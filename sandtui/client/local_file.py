"""The local file of a download, replaced atomically.

It is written under a temporary name in the same directory, flushed to disk and renamed: at any time the final name
holds the old file or the complete new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sandtui.client.errors import InvalidRequestError, MalformedReplyError
from sandtui.client.port import P, Port, T
from sandtui.client.transfers import PIECE, Progress, short_name
from sandtui.directories import reason

_RESUMABLE_SUFFIX = re.compile(r"[0-9a-f]{16}\.kept")
_TEMPORARY_SUFFIX = re.compile(r"[0-9a-f]{8}\.part")

WRITE_AT_ONCE = 1024 * 1024
"""Bytes that are buffered before a write: pieces are small, and writing in a thread has a cost."""

MAX_VECTORS = 512
"""Buffers in one writev; systems allow 1,024."""

RESTART_BELOW = 8 * 1024 * 1024
"""A download that breaks off below this many bytes is simply restarted."""


class LocalFile:
    """A sink that becomes a file when finished. With ``hashed``, ``sha256`` is the digest of its content."""

    def __init__(self, port: Port, path: Path, on_progress: Progress, *, hashed: bool = False) -> None:
        self._port, self._path, self._on_progress = port, path, on_progress
        self._mode: int | None = None
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
        """Create the temporary file and its parent directories.

        Raises:
            InvalidRequestError: the path is a directory or can't be written.
        """
        try:
            await self._work(self._open)
        except OSError as error:
            raise InvalidRequestError(f"{self._path} can't be written: {reason(error, self._path)}") from None

    async def has_partial(self, identity: str | None = None) -> bool:
        """Whether an earlier attempt has left data: any, or for exactly this content."""
        found = await self._work(self._partial_files)
        return any(identity is None or path.name.endswith(f".{identity}.kept") for path in found)

    @property
    def may_restart(self) -> bool:
        """Whether so little has arrived that a restart is cheaper than resuming."""
        return self.done - self._base < RESTART_BELOW

    async def resume_as(self, identity: str) -> None:
        """Resume from the data that an earlier attempt has left, and leave it for a later one.

        ``identity`` names the content; afterwards ``done`` is the number of bytes present. Data that another transfer
        is writing is not used.
        """
        await self._work(self._resume_as, identity)

    async def cut(self, length: int) -> None:
        """Truncate to the first ``length`` bytes."""
        self._base = length
        await self._work(self._rewind)
        self._on_progress(self.done, self.total)

    def begin(self, length: int | None) -> None:
        """Start this part, or restart it after a broken response."""
        if self.done != self._base:
            self._rewind()
        self._expected = None if length is None else self._base + length
        if self.total is None:
            self.total = self._expected

    def take(self, piece: bytes) -> None:
        """Accept a piece; several are written together."""
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        self.done += len(piece)
        if self._pending_bytes >= WRITE_AT_ONCE:
            self._write_pending()
        self._on_progress(self.done, self.total)

    async def check_whole(self) -> None:
        """Check that all announced bytes have arrived.

        Raises:
            MalformedReplyError: some are missing.
        """
        await self._work(self._write_pending)
        if self._expected is not None and self.done != self._expected:
            raise MalformedReplyError(f"the platform announced {self._expected} bytes and sent {self.done}")
        self._base = self.done

    async def finish(self) -> None:
        """Move the file to its final name."""
        await self._work(self._finish)

    def keep(self) -> None:
        """Leave the data for a later attempt, if it has an identity."""
        self._kept = self._resumable

    async def discard(self) -> None:
        """Remove the data, unless the file is finished or left for a later attempt."""
        await self._work(self._discard)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._temporary is not None and not self._kept:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # Shielded: nothing may use the file after it is closed, when its descriptor may belong to another.
        return await self._port.shielded(self._port.work(function, *args, **kwargs))

    def _resume_as(self, identity: str) -> None:
        self._write_pending()
        assert self._file is not None
        assert self._temporary is not None
        resumable = self._sibling(f"{identity}.kept")
        descriptor = _lock(resumable)
        if descriptor is None:
            return
        self._resumable = True
        size = os.fstat(descriptor).st_size
        if size >= self.done:
            self._file.close()
            self._temporary.unlink()
            self._temporary = resumable
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
            self.done = self._file.seek(0, os.SEEK_END)
        else:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._temporary = self._temporary.replace(resumable)
            os.close(descriptor)

    def _sibling(self, suffix: str) -> Path:
        return self._path.with_name(f".{short_name(self._path.name)}.{suffix}")

    def _partial_files(self) -> list[Path]:
        return self._files_with(_RESUMABLE_SUFFIX)

    def _files_with(self, suffix: re.Pattern[str]) -> list[Path]:
        prefix = self._sibling("").name
        try:
            names = [path.name for path in self._path.parent.iterdir()]
        except OSError:
            return []
        return [
            self._path.with_name(name)
            for name in names
            if name.startswith(prefix) and suffix.fullmatch(name.removeprefix(prefix))
        ]

    def _open(self) -> None:
        # Follow a symbolic link, as other programs do; a rename would replace the link itself.
        self._path = Path(os.path.realpath(self._path))
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        else:
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(21, "Is a directory")
            if not stat.S_ISREG(found.st_mode):
                raise OSError(22, "Not a regular file")
            self._mode = stat.S_IMODE(found.st_mode)
        self._sweep()
        descriptor = None
        while descriptor is None:
            # Locked while it is written: an unlocked one was left by a killed program.
            self._temporary = self._sibling(f"{secrets.token_hex(4)}.part")
            descriptor = _lock(self._temporary, flags=os.O_CREAT | os.O_EXCL)
            if descriptor is None:
                self._temporary.open("xb").close()  # says why it can't be made
                descriptor = os.open(self._temporary, os.O_RDWR | os.O_CLOEXEC)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)

    def _sweep(self) -> None:
        """Remove data that killed programs have left of downloads to this path."""
        for path in self._files_with(_TEMPORARY_SUFFIX):
            descriptor = _lock(path, flags=0)
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
                os.close(descriptor)

    def _rewind(self) -> None:
        assert self._file is not None
        self._pending, self._pending_bytes = [], 0
        self._file.seek(self._base)
        self._file.truncate()
        self.done = self._base
        self.sha256 = hashlib.sha256()
        if self._base and self._hashed:
            with self._temporary.open("rb") as partial:  # type: ignore[union-attr] # it is open
                for piece in iter(lambda: partial.read(PIECE), b""):
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
        if self._mode is not None:
            os.fchmod(self._file.fileno(), self._mode)
        os.fsync(self._file.fileno())
        self._temporary.replace(self._path)
        self._temporary = None
        self._file.close()
        self._file = None
        for path in self._partial_files():
            # Data of earlier attempts is of no more use, unless another transfer is writing it.
            descriptor = _lock(path, flags=0)
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
                os.close(descriptor)


def _lock(path: Path, *, flags: int = os.O_CREAT) -> int | None:
    """Open and lock a file; None if another transfer holds the lock or it is not a regular file."""
    flags |= os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found, named = os.fstat(descriptor), path.lstat()
        if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
