"""The disk of the state directory: its free space, and a reserve for writes that free space when it is full."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 1024 * 1024
MIN_BYTES: Final = 1024 * 1024
"""Bytes that must be free for a new sandbox: its directories, its log and its record."""
_MIN_FILES: Final = 64
_FOR_RECORDS: Final = 512 * 1024
_PAGE: Final = 16 * 1024
_NAME: Final = "reserve"

_log = logging.getLogger(__name__)


class DiskFull(OSError):
    """There is no space left; the message says where, and what to do."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ENOSPC, text)

    def __str__(self) -> str:
        return str(self.strerror)


def is_full(error: BaseException) -> bool:
    """Return whether an error means that a disk or a quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class Disk:
    """Manages the space of a state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir
        self._reserve = state_dir / _NAME
        self._lock = threading.Lock()

    def open(self) -> None:
        """Create the reserve; give it up if there is too little space even to start."""
        if self._free() < _FOR_RECORDS:
            self.release()
        else:
            self.refill()

    @property
    def is_full(self) -> bool:
        """Whether nothing can be written."""
        return self._free() < _PAGE

    def full(self) -> DiskFull:
        """Return the error for a full disk."""
        return DiskFull(
            f"The disk of the local platform is full ({self._free() // 1024:,} KiB free in {self._directory}). "
            "Delete sandboxes or files to free space."
        )

    def check(self) -> None:
        """Check that there is space for a new sandbox.

        Raises:
            DiskFull: there is not enough.
        """
        found = os.statvfs(self._directory)
        few_files = found.f_files > 0 and found.f_favail < _MIN_FILES
        # A used reserve is not space for anything new.
        if few_files or found.f_bavail * found.f_frsize < MIN_BYTES + RESERVE_BYTES - self._reserved():
            raise self.full()

    def release(self) -> bool:
        """Give up the reserve; return whether it existed."""
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
        """Create the reserve again once there is space."""
        with self._lock:
            try:
                fd = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    missing = RESERVE_BYTES - os.fstat(fd).st_size
                    if missing > 0 and self._free() >= missing + MIN_BYTES:
                        # Written, not only extended: it must occupy blocks on every file system.
                        os.pwrite(fd, bytes(missing), RESERVE_BYTES - missing)
                finally:
                    os.close(fd)
            except OSError as error:
                _log.warning("no reserve can be created in %s: %s", self._directory, error)

    def _reserved(self) -> int:
        try:
            return min(RESERVE_BYTES, self._reserve.stat().st_size)
        except OSError:
            return 0

    def _free(self) -> int:
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize
