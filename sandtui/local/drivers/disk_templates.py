"""New ext4 file systems as data in memory, from which the disk of each sandbox is written in a few calls."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

BLOCK: Final = 4096
INODE: Final = 256
_ROOT_INODE: Final = 2
_SUPERBLOCK: Final = 1024
_NO_INODES: Final = 1
"""The flag of a group whose inode bitmap is not initialized, so that it has none in use."""
# Where an inode has the low and high halves of its user and of its group.
_LOW_IDS: Final = (2, 24)
_HIGH_IDS: Final = (120, 122)


class _Run(NamedTuple):
    """Inodes in use that lie one after the other in a piece of data."""

    piece: int
    start: int
    length: int


class DiskTemplate:
    """The data of one file system, without its holes."""

    def __init__(self, image: Path, *, is_laid_out: bool) -> None:
        """Read an image with blocks of ``BLOCK`` and inodes of ``INODE`` bytes, and without checksums of inodes."""
        with image.open("rb") as file:
            self._size = os.fstat(file.fileno()).st_size
            self._pieces = list(_pieces(file.fileno(), self._size))
        self.is_laid_out = is_laid_out
        """Whether it contains the directories of a sandbox."""
        self._runs = [self._run(start, count) for start, count in _runs(list(self._used_inodes()))]

    def write(self, target: Path, owner: int) -> None:
        """Create an image whose files belong to ``owner``."""
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.truncate(fd, self._size)
            for position, data in self._owned_by(owner):
                written = 0
                while written < len(data):
                    written += os.pwrite(fd, data[written:], position + written)
        finally:
            os.close(fd)

    def _owned_by(self, owner: int) -> list[tuple[int, bytes | bytearray]]:
        pieces: list[tuple[int, bytes | bytearray]] = [*self._pieces]
        low, high = owner.to_bytes(4, "little")[:2], owner.to_bytes(4, "little")[2:]
        for piece, start, length in self._runs:
            position, data = pieces[piece]
            data, end = bytearray(data), start + length * INODE
            for half, places in ((low, _LOW_IDS), (high, _HIGH_IDS)):
                for place in places:
                    for number in range(2):
                        data[start + place + number : end : INODE] = half[number : number + 1] * length
            pieces[piece] = position, data
        return pieces

    def _used_inodes(self) -> Iterator[int]:
        """Yield the positions in the file of all inodes that have an owner."""
        superblock = self._read(_SUPERBLOCK, 1024)
        (inodes,) = struct.unpack_from("<I", superblock)
        (per_group,) = struct.unpack_from("<I", superblock, 0x28)
        (first,) = struct.unpack_from("<I", superblock, 0x54)
        (descriptor,) = struct.unpack_from("<H", superblock, 0xFE)
        for group in range(-(-inodes // per_group)):
            found = self._read(BLOCK + group * descriptor, descriptor)
            bitmap, table = (
                low | high << 32
                for low, high in (struct.unpack_from("<I32xI", found, 4), struct.unpack_from("<I28xI", found, 8))
            )
            (flags,) = struct.unpack_from("<H", found, 0x12)
            if flags & _NO_INODES:
                continue
            used = int.from_bytes(self._read(bitmap * BLOCK, per_group // 8), "little")
            for index in range(per_group):
                number = group * per_group + index + 1
                if used >> index & 1 and (number == _ROOT_INODE or number >= first):
                    yield table * BLOCK + index * INODE

    def _read(self, position: int, size: int) -> bytes:
        """Return data; holes are zeros."""
        result = bytearray(size)
        for start, data in self._pieces:
            begin, end = max(start, position), min(start + len(data), position + size)
            if begin < end:
                result[begin - position : end - position] = data[begin - start : end - start]
        return bytes(result)

    def _run(self, position: int, count: int) -> _Run:
        for number, (start, data) in enumerate(self._pieces):
            if start <= position and position + count * INODE <= start + len(data):
                return _Run(number, position - start, count)
        raise OSError(errno.EIO, "a new file system has inodes without data")


def _runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the position and the number of inodes that follow each other."""
    start = count = 0
    for position in positions:
        if count and position == start + count * INODE:
            count += 1
            continue
        if count:
            yield start, count
        start, count = position, 1
    if count:
        yield start, count


def _pieces(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield what a sparse file contains, with positions."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # the rest is a hole
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, os.pread(fd, end - start, start)
