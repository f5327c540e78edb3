"""The disk under the state directory: whether it has room, and a reserve for what frees room when it has none."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 1024 * 1024
LEAST_BYTES: Final = 1024 * 1024
"""Bytes that must be free for a new sandbox: its directories, its log and its record."""
_LEAST_FILES: Final = 64
_FOR_RECORDS: Final = 512 * 1024
_PAGE: Final = 16 * 1024
_NAME: Final = "reserve"

_log = logging.getLogger(__name__)


class DiskFull(OSError):
    """There is no space for what was asked; the text says where, and what to do."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ENOSPC, text)

    def __str__(self) -> str:
        return str(self.strerror)


def is_full(error: BaseException) -> bool:
    """Return whether an error means that a disk, or what a user may have of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class Disk:
    """Looks after the space of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir
        self._reserve = state_dir / _NAME
        self._lock = threading.Lock()

    def open(self) -> None:
        """Keep a reserve; give it up when there is too little space even to start."""
        if self._free() < _FOR_RECORDS:
            self.release()
        else:
            self.refill()

    @property
    def is_full(self) -> bool:
        """Whether nothing can be written."""
        return self._free() < _PAGE

    def full(self) -> DiskFull:
        """Return the error for a disk without space."""
        return DiskFull(
            f"The disk of the local platform is full ({self._free() // 1024:,} KiB free in {self._directory}). "
            "Delete sandboxes or files to free space."
        )

    def check(self) -> None:
        """Refuse to begin what needs space.

        Raises:
            DiskFull: there is too little for a new sandbox.
        """
        found = os.statvfs(self._directory)
        few_files = found.f_files > 0 and found.f_favail < _LEAST_FILES
        # A reserve that is in use is not space for anything new.
        if few_files or found.f_bavail * found.f_frsize < LEAST_BYTES + RESERVE_BYTES - self._reserved():
            raise self.full()

    def release(self) -> bool:
        """Give up the reserve; return whether there was one."""
        with self._lock:
            try:
                if not self._reserve.stat().st_size:
                    return False
                os.truncate(self._reserve, 0)
            except OSError:
                return False
        _log.warning("the disk of %s is full; the reserve is in use", self._directory)
        return True

    def refill(self) -> None:
        """Take the reserve back, when there is space again."""
        with self._lock:
            try:
                fd = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    missing = RESERVE_BYTES - os.fstat(fd).st_size
                    if missing > 0 and self._free() >= missing + LEAST_BYTES:
                        # Written, not only made long: it must hold blocks on every file system.
                        os.pwrite(fd, bytes(missing), RESERVE_BYTES - missing)
                finally:
                    os.close(fd)
            except OSError as error:
                _log.warning("no reserve can be kept in %s: %s", self._directory, error)

    def _reserved(self) -> int:
        try:
            return min(RESERVE_BYTES, self._reserve.stat().st_size)
        except OSError:
            return 0

    def _free(self) -> int:
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize
