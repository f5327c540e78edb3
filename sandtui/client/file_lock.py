"""A lock between processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from sandtui.directories import make_private


class FileLock:
    """A file lock that one process at a time can hold; the kernel releases it when the holder dies.

    Releasing removes the file: there is one for each sandbox. The ``filelock`` package was not taken: it leaves its
    files in place, raises where a lock can't be created, and takes 8 ms to import.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting.

        Returns:
            Whether the caller may proceed: also true if the file can't be created, and so nobody can lock it.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while self._descriptor is None:
            descriptor = -1
            try:
                make_private(self._path.parent)
                descriptor = os.open(self._path, flags, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The last holder may have removed the file after it was opened here: then this lock protects nothing.
                if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                    self._descriptor = descriptor
                else:
                    os.close(descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except FileNotFoundError:
                if descriptor < 0:
                    return True
                os.close(descriptor)
            except OSError:
                if descriptor >= 0:
                    os.close(descriptor)
                return True
        return True

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = None
