"""Locks on files that the kernel releases when their holder ends: whether one is held tells whether it lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def is_held(path: Path) -> bool:
    """Whether another open file holds the exclusive lock of a file; asking hinders nobody else who asks.

    Raises:
        OSError: the file can't be opened, for example because it does not exist.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
