"""Measures the memory of a sandbox without a control group."""

from __future__ import annotations

import os

from sandtui.local.agent.children import open_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_IN_MEMORY: Final = ("/dev", "/dev/shm", "/run")  # noqa: S108
_SEGMENTS: Final = "/proc/sysvipc/shm"
_MEMFD: Final = "/memfd:"
_READINGS_BETWEEN: Final = 4


class Meter:
    """Adds up the memory of processes, and what exists without any process: files, segments and memfds.

    ``is_alone``: the in-memory file systems belong to this sandbox only.
    """

    def __init__(self, *, is_alone: bool) -> None:
        self._is_alone = is_alone
        self._readings = 0
        self._memfds = 0

    def read(self, pids: list[int], limit: int) -> int:
        """Return the used bytes; shared pages are only counted exactly when it may matter."""
        if self._readings % _READINGS_BETWEEN == 0:
            # This reads all descriptors of all processes, which is expensive.
            self._memfds = _memfds(pids)
        self._readings += 1
        files = self._files() if self._is_alone else 0
        total = _resident(pids) + files + self._memfds
        if total <= limit:
            return total
        own, shared = _proportional(pids)
        # Mapped pages of in-memory files count on both sides, and the kernel does not report how many there are.
        return own + max(shared, files + _memfds(pids))

    def _files(self) -> int:
        total = 0
        for path in _IN_MEMORY:
            try:
                found = os.statvfs(path)
            except OSError:
                continue
            total += (found.f_blocks - found.f_bfree) * found.f_frsize
        try:
            with open(_SEGMENTS, "rb") as table:
                # The next-to-last columns have the resident pages.
                total += sum(int(line.split()[-2]) for line in table.readlines()[1:])
        except (OSError, ValueError, IndexError):
            pass
        return total


def _resident(pids: list[int]) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                total += int(file.read().split()[1]) * page
        except (OSError, ValueError):
            continue
    return total


def _proportional(pids: list[int]) -> tuple[int, int]:
    """Return the memory of processes, each shared page counted once: private and file pages, and in-memory files."""
    total = shared = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                for line in file:
                    if line.startswith(b"Pss:"):
                        total += int(line.split()[1]) * 1024
                    elif line.startswith(b"Pss_Shmem:"):
                        shared += int(line.split()[1]) * 1024
        except (OSError, ValueError):
            continue
    return total - shared, shared


def _memfds(pids: list[int]) -> int:
    """Return the size of all unnamed in-memory files, each counted once."""
    found: dict[int, int] = {}
    for path in open_files(pids):
        try:
            if os.readlink(path).startswith(_MEMFD):
                entry = os.stat(path)
                found[entry.st_ino] = entry.st_blocks * 512
        except OSError:
            continue
    return sum(found.values())
