"""Files and directories that only the current user may access."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import re
import secrets
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sandtui.directories import make_private, reason
from sandtui.local.settings import ELSEWHERE, LocalError
from sandtui.local.store.disk import is_full
from sandtui.saving import replace_private

LOCK_NAME = "platform.lock"

LEFTOVER_AGE: Final = timedelta(hours=1)
_LEFTOVER: Final = re.compile(r"\.write-[0-9a-f]{8}|\.[\w.-]+\.[0-9a-f]{8}|probe-[0-9a-f]{8}")

_MAX_LEVELS: Final = 100
_MAX_ROUNDS: Final = 1000
_log = logging.getLogger(__name__)

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def private_directory(path: Path, what: str) -> Path:
    """Create a directory for the current user alone, or check that it is one; return its full path."""
    try:
        make_private(path)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise LocalError(f"The {what} {path} belongs to another user (uid {found.st_uid}). {ELSEWHERE}")
        if stat.S_IMODE(found.st_mode) & 0o077:
            # Restricting a directory that has another use would be worse than not starting.
            if any(path.iterdir()) and not (path / LOCK_NAME).exists():
                raise LocalError(
                    f"The {what} {path} is accessible to other users and contains other files. {ELSEWHERE}"
                )
            path.chmod(0o700)
        probe = path / f".write-{secrets.token_hex(4)}"
        probe.touch(0o600)
        probe.unlink()
    except OSError as error:
        if is_full(error) and path.is_dir():
            return path.resolve()  # it must still be possible to free space
        raise LocalError(f"The {what} {path} cannot be used: {reason(error, path)}. {ELSEWHERE}") from error
    return path.resolve()


def read_private(path: Path) -> str | None:
    """Return the text of a small file, or None if it does not exist."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"The file {path} cannot be read: {error}.") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only the current user may read, completely or not at all."""
    try:
        replace_private(path, text, durable=False)
    except OSError as error:
        raise LocalError(f"The file {path} cannot be written: {error.strerror or error}.") from error


def remove_leftovers(directory: Path, now: datetime) -> None:
    """Remove the temporary files that a killed process left in a state directory, but none that may be in use."""
    oldest = (now - LEFTOVER_AGE).timestamp()
    for path in directory.iterdir():
        if not _LEFTOVER.fullmatch(path.name):
            continue
        try:
            if path.lstat().st_mtime < oldest:
                remove_tree(path)
        except OSError:
            _log.exception("%s could not be removed", path)


def remove_tree(path: Path) -> None:
    """Remove a directory tree, whatever a sandbox made of it.

    Directories that are nested too deeply are moved to the top first, so that depth costs no recursion, descriptors or
    long paths.
    Raises:
        OSError: something could not be removed; the rest may be gone.
    """
    try:
        top = _open_closed(str(path), None)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        path.unlink(missing_ok=True)
        return
    numbers, token = itertools.count(), secrets.token_hex(8)
    # One entry per level: the directory, its name, and the directories in it that remain.
    levels: list[tuple[int, str, list[str]]] = [(top, "", [])]
    try:
        levels[0][2].extend(_remove_files(top))
        while levels:
            directory, name, inner = levels[-1]
            if not inner:
                levels.pop()
                os.close(directory)
                if levels:
                    os.rmdir(name, dir_fd=levels[-1][0])
            elif len(levels) < _MAX_LEVELS:
                below = inner.pop()
                levels.append((_open_closed(below, directory), below, []))
                levels[-1][2].extend(_remove_files(levels[-1][0]))
            else:
                levels[0][2].append(f".{token}-{next(numbers)}")
                _move_up(inner.pop(), directory, levels[0][2][-1], top)
    finally:
        for directory, _, _ in levels:
            os.close(directory)
    path.rmdir()


def _remove_files(directory: int) -> list[str]:
    """Remove everything in a directory except its directories, and return those."""
    for _ in range(_MAX_ROUNDS):
        inner, removed = [], False
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inner.append(entry.name)
                else:
                    os.unlink(entry.name, dir_fd=directory)
                    removed = True
        if not removed:
            return inner
        # Entries of a directory that changes while it is read may be missed.
    raise OSError(errno.EBUSY, "files are created as fast as they are removed")


def _open_closed(name: str, parent: int | None) -> int:
    """Open a directory, even one without permissions for its owner."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, _DIRECTORY, dir_fd=parent)
    if os.geteuid() != 0:
        os.fchmod(directory, 0o700)
    return directory


def _move_up(name: str, parent: int, new_name: str, top: int) -> None:
    try:
        os.rename(name, new_name, src_dir_fd=parent, dst_dir_fd=top)
    except PermissionError:
        # To be moved, a directory must be writable itself, since its entry for the parent changes.
        os.chmod(name, 0o700, dir_fd=parent)
        os.rename(name, new_name, src_dir_fd=parent, dst_dir_fd=top)
