"""The users of this machine that stand for those of a sandbox: each range belongs to one sandbox of the machine.

Several platforms may run as root, each with a state directory of its own. Which ranges are taken is therefore told by
locks that the kernel keeps: a sandbox' first process holds that of its range and lets go with its life, whatever
becomes of the platform.
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

# A range that no distribution gives to people or services; systemd's containers use the same.
FIRST_UID: Final = 524288
RANGES: Final = 28000
PROBE_UID: Final = FIRST_UID + RANGES * USER_RANGE
"""The users of trials, beyond those of sandboxes."""

PLACES: Final = ("/run/sandtui", "/var/lib/sandtui", f"{tempfile.gettempdir()}/sandtui")


class HostUsers:
    """Gives sandboxes their ranges."""

    def __init__(self, places: Iterable[str] = PLACES) -> None:
        self._places = tuple(places)
        self._directory: Path | None = None
        self._taken: dict[str, int] = {}
        self._numbers: set[int] = set()
        self._locks: dict[str, int] = {}
        self._released: list[int] = []
        self._next = 0

    def open(self, found: dict[str, int]) -> None:
        """Begin with the sandboxes of an earlier platform, whose first users are given.

        Raises:
            LocalError: there is no place for the locks.
        """
        reasons = []
        for place in self._places:
            try:
                self._directory = _own_directory(Path(place))
                break
            except OSError as error:
                reasons.append(f"{place}: {error.strerror or error}")
        else:
            raise LocalError(f"The users of sandboxes can't be kept apart on this machine ({'; '.join(reasons)}).")
        for sandbox_id, uid in found.items():
            number = (uid - FIRST_UID) // USER_RANGE
            if 0 <= number < RANGES:
                self._taken[sandbox_id] = number
                self._numbers.add(number)
                # The sandbox itself has it unless it died, or comes from a version without locks.
                if (lock := self._lock(number)) is not None:
                    self._locks[sandbox_id] = lock

    def take(self, sandbox_id: str) -> tuple[int, int]:
        """Return the first user of a free range, and the lock that the sandbox has to hold on to."""
        for number in self._candidates():
            if number not in self._numbers and (lock := self._lock(number)) is not None:
                self._taken[sandbox_id], self._locks[sandbox_id] = number, lock
                self._numbers.add(number)
                return FIRST_UID + number * USER_RANGE, lock
        raise DriverError("All users that this machine has for sandboxes are taken.")

    def first_uid(self, sandbox_id: str) -> int | None:
        """Return the first user of a sandbox' range, while it has one."""
        number = self._taken.get(sandbox_id)
        return None if number is None else FIRST_UID + number * USER_RANGE

    def release(self, sandbox_id: str) -> None:
        """Take note that nothing of a sandbox is left."""
        lock = self._locks.pop(sandbox_id, None)
        if lock is not None:
            os.close(lock)
        number = self._taken.pop(sandbox_id, None)
        if number is not None:
            self._numbers.discard(number)
            heapq.heappush(self._released, number)

    def close(self) -> None:
        """Let go of all locks; sandboxes that go on hold theirs themselves."""
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    def _candidates(self) -> Iterable[int]:
        """Yield what was given back, then what was never tried, then all again: others may have let go."""
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
    """Make a directory of ours alone; where everybody may write, someone else may have been faster."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError("belongs to someone else")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    users = path / "users"
    users.mkdir(mode=0o700, exist_ok=True)
    probe = users / f".probe-{os.getpid()}"
    probe.touch(0o600)
    with contextlib.suppress(FileNotFoundError):
        probe.unlink()
    return users
