"""Changes the owners of all files in an ext4 image, for a sandbox with other users of this machine.

Only images that the platform itself has made are changed: blocks without checksums, inodes of at least 256 bytes, and
no journal.
"""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

RANGE: Final = 65536
_SUPERBLOCK: Final = 1024
_MAGIC: Final = 0xEF53
_ATTRIBUTES: Final = 0xEA020000
_NO_INODES: Final = 1
_ACCESS_LIST, _DEFAULT_LIST, _SECURITY = 2, 3, 6
_USER_ENTRY, _GROUP_ENTRY = 2, 8
_CAPABILITIES: Final = b"capability"


def shift_owners(image: str, old: int, new: int) -> None:
    """Give all files of the users from ``old`` on to those from ``new`` on.

    Raises:
        OSError: it cannot be read or written, or is not such an image.
    """
    fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        _Image(fd, old, new).shift()
    finally:
        os.close(fd)


class _Image:
    def __init__(self, fd: int, old: int, new: int) -> None:
        self._fd = fd
        self._old = old
        self._shift = new - old
        top = os.pread(fd, 1024, _SUPERBLOCK)
        if len(top) < 1024 or struct.unpack_from("<H", top, 0x38)[0] != _MAGIC:
            raise OSError("the copy of the disk is not a file system")
        (self._inodes,) = struct.unpack_from("<I", top, 0)
        (power,) = struct.unpack_from("<I", top, 0x18)
        self._block = 1024 << power
        (self._per_group,) = struct.unpack_from("<I", top, 0x28)
        (self._inode,) = struct.unpack_from("<H", top, 0x58)
        (self._descriptor,) = struct.unpack_from("<H", top, 0xFE)
        self._descriptor = self._descriptor or 32
        self._done: set[int] = set()

    def shift(self) -> None:
        for position, size in self._tables():
            table = bytearray(os.pread(self._fd, size, position))
            before = bytes(table)
            for start in range(0, len(table), self._inode):
                self._shift_inode(table, start)
            if table != before:
                _write_all(self._fd, table, position)

    def _tables(self) -> Iterator[tuple[int, int]]:
        """Yield the position and size of the used part of each table of inodes."""
        first = self._block if self._block > 1024 else 2 * self._block
        for group in range(-(-self._inodes // self._per_group)):
            found = os.pread(self._fd, self._descriptor, first + group * self._descriptor)
            (table,) = struct.unpack_from("<I", found, 8)
            (flags, _, _, _, unused) = struct.unpack_from("<HIHHH", found, 0x12)
            if self._descriptor >= 64:
                table |= struct.unpack_from("<I", found, 0x28)[0] << 32
                unused |= struct.unpack_from("<H", found, 0x32)[0] << 16
            if not flags & _NO_INODES:
                yield table * self._block, (self._per_group - unused) * self._inode

    def _shift_inode(self, table: bytearray, start: int) -> None:
        (mode, uid_low) = struct.unpack_from("<HH", table, start)
        if not mode:
            return
        (gid_low,) = struct.unpack_from("<H", table, start + 24)
        (uid_high, gid_high) = struct.unpack_from("<HH", table, start + 120)
        uid, gid = self._moved(uid_low | uid_high << 16), self._moved(gid_low | gid_high << 16)
        struct.pack_into("<H", table, start + 2, uid & 0xFFFF)
        struct.pack_into("<H", table, start + 24, gid & 0xFFFF)
        struct.pack_into("<HH", table, start + 120, uid >> 16, gid >> 16)
        (extra,) = struct.unpack_from("<H", table, start + 128)
        inside = start + 128 + extra
        if inside + 4 < start + self._inode and struct.unpack_from("<I", table, inside)[0] == _ATTRIBUTES:
            self._shift_attributes(table, inside + 4, inside + 4, start + self._inode)
        (low,) = struct.unpack_from("<I", table, start + 104)
        (high,) = struct.unpack_from("<H", table, start + 118)
        block = low | high << 32
        if block and block not in self._done:
            self._done.add(block)
            data = bytearray(os.pread(self._fd, self._block, block * self._block))
            if len(data) == self._block and struct.unpack_from("<I", data)[0] == _ATTRIBUTES:
                before = bytes(data)
                self._shift_attributes(data, 32, 0, self._block)
                if data != before:
                    _write_all(self._fd, data, block * self._block)

    def _shift_attributes(self, data: bytearray, first: int, base: int, end: int) -> None:
        """Change the users that access lists and capabilities of programs name."""
        entry = first
        while entry + 16 <= end and data[entry : entry + 4] != b"\0\0\0\0":
            length, index = data[entry], data[entry + 1]
            offset, inode, size = struct.unpack_from("<HII", data, entry + 2)
            value = base + offset
            if not inode and value + size <= end:
                if index in (_ACCESS_LIST, _DEFAULT_LIST):
                    self._shift_list(data, value, size)
                elif index == _SECURITY and data[entry + 16 : entry + 16 + length] == _CAPABILITIES and size == 24:
                    (owner,) = struct.unpack_from("<I", data, value + 20)
                    struct.pack_into("<I", data, value + 20, self._moved(owner))
            entry += (16 + length + 3) & ~3

    def _shift_list(self, data: bytearray, start: int, size: int) -> None:
        """Change an access list as ext4 stores it: entries for named users and groups have an id, others have none."""
        position, end = start + 4, start + size
        while position + 4 <= end:
            (tag,) = struct.unpack_from("<H", data, position)
            if tag in (_USER_ENTRY, _GROUP_ENTRY) and position + 8 <= end:
                (owner,) = struct.unpack_from("<I", data, position + 4)
                struct.pack_into("<I", data, position + 4, self._moved(owner))
                position += 8
            else:
                position += 4

    def _moved(self, number: int) -> int:
        return number + self._shift if self._old <= number < self._old + RANGE else number


def _write_all(fd: int, data: bytearray, position: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], position + done)
