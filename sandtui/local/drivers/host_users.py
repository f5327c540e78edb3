"""Ranges of this machine's user ids for the users of sandboxes, each used by one sandbox of the machine.

Several platforms may run as root, each with its own state directory. Used ranges are therefore marked with locks of the
kernel: the first process of a sandbox holds the lock of its range until it ends, with or without the platform.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sandtui.local.agent.isolate import USER_RANGE
from sandtui.local.drivers.base import DriverError
from sandtui.local.settings import LocalError

# A range that no distribution assigns to people or services; systemd uses the same for its containers.
FIRST_UID: Final = 524288
RANGES: Final = 28000
PROBE_UID: Final = FIRST_UID + RANGES * USER_RANGE
"""The user ids for probes, beyond those of sandboxes."""

PLACES: Final = ("/run/sandtui", "/var/lib/sandtui", f"{tempfile.gettempdir()}/sandtui")


class HostUsers:
    """Assigns ranges of user ids to sandboxes."""

    def __init__(self, places: Iterable[str] = PLACES) -> None:
        self._places = tuple(places)
        self._directory: Path | None = None
        self._taken: dict[str, int] = {}
        self._numbers: set[int] = set()
        self._locks: dict[str, int] = {}
        self._released: list[int] = []
        self._next = 0

    def open(self, found: dict[str, int]) -> None:
        """Start with the sandboxes of an earlier platform, given with their first user ids.

        Raises:
            LocalError: there is no directory for the locks.
        """
        reasons = []
        for place in self._places:
            try:
                self._directory = _own_directory(Path(place))
                break
            except OSError as error:
                reasons.append(f"{place}: {error.strerror or error}")
        else:
            raise LocalError(f"No directory for the locks of user ids can be used ({'; '.join(reasons)}).")
        for sandbox_id, uid in found.items():
            number = (uid - FIRST_UID) // USER_RANGE
            if 0 <= number < RANGES:
                self._taken[sandbox_id] = number
                self._numbers.add(number)
                # The sandbox holds its own lock unless it has ended, or comes from a version without locks.
                if (lock := self._lock(number)) is not None:
                    self._locks[sandbox_id] = lock

    def take(self, sandbox_id: str) -> tuple[int, int]:
        """Return the first user id of a free range, and a lock for the sandbox to hold."""
        for number in self._candidates():
            if number not in self._numbers and (lock := self._lock(number)) is not None:
                self._taken[sandbox_id], self._locks[sandbox_id] = number, lock
                self._numbers.add(number)
                return FIRST_UID + number * USER_RANGE, lock
        raise DriverError("All user ids for sandboxes are in use on this machine.")

    def first_uid(self, sandbox_id: str) -> int | None:
        """Return the first user id of a sandbox's range, or None."""
        number = self._taken.get(sandbox_id)
        return None if number is None else FIRST_UID + number * USER_RANGE

    def release(self, sandbox_id: str) -> None:
        """Release the range of a removed sandbox."""
        lock = self._locks.pop(sandbox_id, None)
        if lock is not None:
            os.close(lock)
        number = self._taken.pop(sandbox_id, None)
        if number is not None:
            self._numbers.discard(number)
            heapq.heappush(self._released, number)

    def close(self) -> None:
        """Release all locks; running sandboxes hold their own."""
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    def _candidates(self) -> Iterable[int]:
        """Yield released ranges, then unused ones, then all again, since others may have released theirs."""
        while self._released:
            yield heapq.heappop(self._released)
        while self._next < RANGES:
            self._next += 1
            yield self._next - 1
        yield from range(RANGES)

    def _lock(self, number: int) -> int | None:
        assert self._directory is not None
        fd = os.open(self._directory / str(number), os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        return fd


def _own_directory(path: Path) -> Path:
    """Create a directory for this user, or check its owner: anyone may create it in a shared directory."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError("belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    users = path / "users"
    users.mkdir(mode=0o700, exist_ok=True)
    probe = users / f".probe-{os.getpid()}"
    probe.touch(0o600)
    with contextlib.suppress(FileNotFoundError):
        probe.unlink()
    return users
