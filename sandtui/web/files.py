"""Files that pass between a browser and a session: dropped into the page, or copied to this machine."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from sandtui.web.settings import MAX_DROP

MAX_OFFERS: Final = 32
MAX_NAME: Final = 200
PIECE: Final = 256 * 1024
OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DropError(Exception):
    """A file was not taken; the text says why."""


class WebDrops:
    """The files that a browser dropped into one session. They are deleted with it."""

    def __init__(self, folder: Path, limit: int = MAX_DROP) -> None:
        self._folder, self._limit = folder, limit
        self._taken = 0

    async def take(self, name: str, content: AsyncIterator[bytes]) -> Path:
        """Save a file in a directory of its own; return its path.

        Raises:
            DropError: the name cannot be used, or there is too much in all.
            OSError: it cannot be written.
        """
        if name in ("", ".", "..") or "/" in name or "\0" in name or len(name.encode()) > MAX_NAME:
            raise DropError("the name of the file cannot be used")
        folder = self._folder / secrets.token_hex(8)
        await asyncio.to_thread(folder.mkdir, 0o700, parents=True)
        size = 0
        try:
            with await asyncio.to_thread(_create, folder / name) as file:
                async for piece in content:
                    size += len(piece)
                    self._taken += len(piece)
                    if self._taken > self._limit:
                        raise DropError(f"more than {self._limit >> 20:,} MiB in all")
                    await asyncio.to_thread(file.write, piece)
        except BaseException:
            self._taken -= size
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        return folder / name

    def forget(self, path: Path) -> None:
        """Delete a file that is no longer needed."""
        if path.parent.parent == self._folder:
            size = path.stat().st_size if path.is_file() else 0
            shutil.rmtree(path.parent, ignore_errors=True)
            self._taken = max(0, self._taken - size)

    def close(self) -> None:
        """Delete all."""
        shutil.rmtree(self._folder, ignore_errors=True)


class WebOffers:
    """Files that a dashboard has copied to this machine and that its browser may save, each by an id."""

    def __init__(self) -> None:
        self._paths: OrderedDict[str, Path] = OrderedDict()

    def add(self, path: Path) -> tuple[str, int] | None:
        """Offer a file; return its id and size, or None if it is none."""
        try:
            found = path.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        while len(self._paths) >= MAX_OFFERS:
            self._paths.popitem(last=False)
        offer = secrets.token_urlsafe(16)
        self._paths[offer] = path
        return offer, found.st_size

    def open(self, offer: str) -> tuple[Path, BinaryIO, int]:
        """Open an offered file; links are not followed.

        Raises:
            OSError: there is no such offer, or it is no file any more.
        """
        path = self._paths.get(offer)
        if path is None:
            raise FileNotFoundError(offer)
        descriptor = os.open(path, OPEN_FLAGS)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise FileNotFoundError(offer)
        return path, os.fdopen(descriptor, "rb"), found.st_size


async def pieces(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """Yield the content of an open file, as much as it had when it was opened, and close it."""
    with file:
        while size > 0 and (piece := await asyncio.to_thread(file.read, min(PIECE, size))):
            size -= len(piece)
            yield piece


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")
