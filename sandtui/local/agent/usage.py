"""Measures the disk usage of a sandbox if nothing else can limit it."""

from __future__ import annotations

import os
import stat
import time

from sandtui.local.agent.children import open_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

SECONDS_BETWEEN: Final = 0.5
_STEP_SECONDS: Final = 0.005
_URGENT_SECONDS: Final = 0.03
_ENTRIES_PER_TURN: Final = 128
# After a long round, wait before the next: all sandboxes of a machine together must not slow it down.
_REST: Final = 40
_LONGEST_REST: Final = 60.0
_MOVED_BYTES: Final = 1024 * 1024
_MOVED_FILES: Final = 256
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskMeter:
    """Walks the files of a sandbox, a few milliseconds at a time.

    ``root`` is a descriptor of its root without what is mounted in it.
    """

    def __init__(self, root: int, size: int, inodes: int) -> None:
        self.root = root
        self._size = size
        self._inodes = inodes
        self._walk: Iterator[tuple[int, int]] | None = None
        self._used = self._count = 0
        self._last_used = self._last_count = 0
        self._worked = 0.0
        self._step = _STEP_SECONDS
        self._next = 0.0
        self._latest = 0.0
        self._free = self._free_now()

    @property
    def is_walking(self) -> bool:
        """Whether a round is in progress."""
        return self._walk is not None

    @property
    def wait(self) -> float:
        """Seconds until there is something to do."""
        return 0.05 if self._walk is not None else SECONDS_BETWEEN

    def is_over(self, pids: list[int]) -> bool:
        """Continue for a moment; return whether the sandbox exceeds its limits."""
        now = time.monotonic()
        if self._walk is None:
            free = self._free_now()
            gone, files = self._free[0] - free[0], self._free[1] - free[1]
            moved = abs(gone) >= _MOVED_BYTES or abs(files) >= _MOVED_FILES
            # If the usage may have exceeded the limits, do not wait.
            urgent = self._last_used + gone > self._size or self._last_count + files > self._inodes
            if not urgent and (now < self._next or not (moved or now >= self._latest)):
                return False
            self._free, self._worked, self._step = free, 0.0, _URGENT_SECONDS if urgent else _STEP_SECONDS
            self._used, self._count = unlinked(pids, os.fstat(self.root).st_dev), 0
            self._walk = walk(self.root)
        end = now + self._step
        for used, count in self._walk:
            self._used += used
            self._count += count
            if self._used > self._size or self._count > self._inodes:
                return True
            if time.monotonic() >= end:
                self._worked += self._step
                return False
        took = self._worked + time.monotonic() - now
        self._walk, self._last_used, self._last_count = None, self._used, self._count
        self._next = time.monotonic() + min(_LONGEST_REST, took * _REST)
        self._latest = self._next + _LONGEST_REST
        return False

    def _free_now(self) -> tuple[int, int]:
        found = os.fstatvfs(self.root)
        return found.f_bfree * found.f_frsize, found.f_ffree


def walk(root: int) -> Iterator[tuple[int, int]]:
    """Yield bytes and the number of files, a few at a time.

    A directory is left through ``..``, so that depth costs no descriptors or long paths; files that are moved in the
    meantime are found in the next round.
    """
    here = os.open(".", _DIRECTORY, dir_fd=root)
    try:
        levels: list[list[str]] = [[]]
        yield from _files(here, levels[-1])
        while True:
            if levels[-1]:
                try:
                    below = os.open(levels[-1].pop(), _DIRECTORY, dir_fd=here)
                except OSError:
                    continue  # removed in the meantime
                levels.append([])
            else:
                levels.pop()
                if not levels:
                    return
                try:
                    below = os.open("..", _DIRECTORY, dir_fd=here)
                except OSError:
                    return
                os.close(here)
                here = below
                continue
            os.close(here)
            here = below
            yield from _files(here, levels[-1])
    finally:
        os.close(here)


def _files(directory: int, inner: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the content of a directory, and add its subdirectories to ``inner``."""
    used = count = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # removed in the meantime
                names = 1
                if stat.S_ISDIR(found.st_mode):
                    inner.append(entry.name)
                else:
                    # A file with several names counts once, if all of them are here.
                    names = max(1, found.st_nlink)
                used += found.st_blocks * 512 // names
                count += 1
                if count >= _ENTRIES_PER_TURN:
                    yield used, count
                    used = count = 0
    except OSError:
        pass
    yield used, count


def unlinked(pids: list[int], device: int) -> int:
    """Return the bytes of unlinked files that processes hold open."""
    found: dict[int, int] = {}
    for path in open_files(pids):
        try:
            entry = os.stat(path)
        except OSError:
            continue
        if entry.st_dev == device and entry.st_nlink == 0:
            found[entry.st_ino] = entry.st_blocks * 512
    return sum(found.values())
