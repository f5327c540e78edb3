"""Copies of disk images: sparse files in which only the data is copied, or shared where the file system can."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

CLONE: Final = 0x40049409
_CHUNK: Final = 1 << 20
_PUNCH: Final = 1 | 2

_libc = ctypes.CDLL(None, use_errno=True)


def can_share(source: str, target: str) -> bool:
    """Return whether a copy beside ``target`` can share the blocks of ``source``; tried, since much can prevent it."""
    try:
        return share_image(source, f"{target}.try") >= 0
    except OSError:
        return False
    finally:
        try:
            os.unlink(f"{target}.try")
        except FileNotFoundError:
            pass


def share_image(source: str, target: str) -> int:
    """Make a file that shares the blocks of another; return the bytes in use."""
    read, write = _open(source), _create(target)
    try:
        fcntl.ioctl(write, CLONE, read)
        return os.fstat(write).st_blocks * 512
    finally:
        os.close(read)
        os.close(write)


def copy_image(source: str, target: str, reserve: int) -> int:
    """Copy a sparse file; return the bytes in use."""
    read, write = _open(source), _create(target)
    try:
        try:
            fcntl.ioctl(write, CLONE, read)
        except OSError:
            check_space(os.path.dirname(target), os.fstat(read).st_blocks * 512, reserve)
            copy_data(read, write)
        return os.fstat(write).st_blocks * 512
    finally:
        os.close(read)
        os.close(write)


def check_space(directory: str, needed: int, reserve: int) -> None:
    """Refuse a copy that would fill the disk.

    Raises:
        OSError: there is too little space.
    """
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < needed + reserve:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def copy_data(read: int, write: int) -> None:
    """Copy the data of a file into an empty one, and its holes."""
    size = os.fstat(read).st_size
    os.truncate(write, size)
    for start, end in _extents(read, size):
        while start < end:
            done = _copy_range(read, write, start, end - start)
            if not done:
                return  # it was cut off meanwhile
            start += done


def update_image(source: str, target: str) -> int:
    """Write what differs into an older copy; return the bytes in use. Reading is much faster than writing."""
    read, write = _open(source), os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(read).st_size
        ours, theirs = bytearray(_CHUNK), bytearray(_CHUNK)
        covered = 0
        for start, end in [*_extents(read, size), (size, size)]:
            if start > covered:
                _punch(write, covered, start)
            position = start
            while position < end:
                count = min(_CHUNK, end - position)
                # What is left from the chunk before is the same in both buffers.
                got = os.preadv(read, [memoryview(ours)[:count]], position)
                os.preadv(write, [memoryview(theirs)[:count]], position)
                if ours != theirs:
                    _write_changes(write, ours, theirs, got, position)
                position += got or count
            covered = end
        return os.fstat(write).st_blocks * 512
    finally:
        os.close(read)
        os.close(write)


def _write_changes(write: int, ours: bytearray, theirs: bytearray, count: int, position: int) -> None:
    block = 65536
    for start in range(0, count, block):
        part = ours[start : min(start + block, count)]
        if part != theirs[start : min(start + block, count)]:
            done = 0
            while done < len(part):
                done += os.pwrite(write, part[done:], position + start + done)
        theirs[start : start + len(part)] = part


def _punch(fd: int, start: int, end: int) -> None:
    """Give back what the source has no data for any more."""
    if not any(True for _ in _extents(fd, end, start)):
        return
    _libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if _libc.fallocate(fd, _PUNCH, start, end - start) < 0:
        code = ctypes.get_errno()
        if code not in (errno.EOPNOTSUPP, errno.ENOSYS):
            raise OSError(code, os.strerror(code))
        for position in range(start, end, _CHUNK):
            os.pwrite(fd, bytes(min(_CHUNK, end - position)), position)


def _extents(fd: int, size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield where a file has data."""
    end = start
    while end < size:
        try:
            begin = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        if begin >= size:
            return
        end = min(size, os.lseek(fd, begin, os.SEEK_HOLE))
        yield begin, end


def _copy_range(read: int, write: int, start: int, count: int) -> int:
    try:
        return os.copy_file_range(read, write, min(count, 64 * _CHUNK), start, start)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    data = os.pread(read, min(count, _CHUNK), start)
    done = 0
    while done < len(data):
        done += os.pwrite(write, data[done:], start + done)
    return done


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _create(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
