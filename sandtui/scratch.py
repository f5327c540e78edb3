"""Temporary directories that are removed when their owner ends, or by a later run when it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sandtui.locks import is_held

PREFIX: Final = "sandtui-"
OWNER_FILE: Final = ".sandtui-owner"
"""Lies in each directory and is locked by its owner: the kernel releases the lock when the process ends."""

GRACE_SECONDS: Final = 60.0
"""A directory this young may not be locked yet."""


@contextmanager
def scratch_directory(purpose: str) -> Iterator[Path]:
    """Create a private temporary directory and remove it afterwards.

    What earlier runs left behind because they were killed is removed first.
    """
    remove_orphans()
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
    lock = os.open(path / OWNER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(lock)
        remove_scratch(path)


def remove_scratch(path: Path) -> None:
    """Remove a directory made by :func:`scratch_directory`; any other is left alone."""
    if (path / OWNER_FILE).is_file():
        shutil.rmtree(path, ignore_errors=True)


def remove_orphans(parent: Path | None = None) -> None:
    """Remove this user's scratch directories whose owner has ended."""
    try:
        owners = list((parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*/{OWNER_FILE}"))
    except OSError:
        return
    for owner in owners:
        with contextlib.suppress(OSError):
            if _is_orphan(owner):
                remove_scratch(owner.parent)


def _is_orphan(owner: Path) -> bool:
    found = owner.lstat()
    if found.st_uid != os.geteuid() or time.time() - found.st_mtime < GRACE_SECONDS:
        return False
    return not is_held(owner)
