"""Files and directories that only this user may read."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

from sandtui.local.settings import LocalError

LOCK_NAME = "platform.lock"


def private_directory(path: Path, what: str) -> Path:
    """Make a directory for this user alone, or check that it is one; return its full path."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise LocalError(
                f"The {what} {path} belongs to another user (number {found.st_uid}). "
                "Choose a directory of your own with --state-dir."
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            # Closing a directory that is used for something else would be worse than not starting.
            if any(path.iterdir()) and not (path / LOCK_NAME).exists():
                raise LocalError(
                    f"The {what} {path} is open to others and holds other files. "
                    "Choose a new or an empty directory with --state-dir."
                )
            path.chmod(0o700)
        probe = path / f".write-{secrets.token_hex(4)}"
        probe.touch(0o600)
        probe.unlink()
    except OSError as error:
        raise LocalError(
            f"The {what} {path} can't be used: {error.strerror or error}. "
            "Choose a directory that you may write to with --state-dir."
        ) from error
    return path.resolve()


def read_private(path: Path) -> str | None:
    """Return the text of a small file, or None when there is none."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"The file {path} can't be read: {error}.") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, text.encode("utf-8"))
        finally:
            os.close(fd)
        temporary.replace(path)
    except OSError as error:
        raise LocalError(f"The file {path} can't be written: {error.strerror or error}.") from error


def remove_tree(path: Path) -> None:
    """Remove a directory, also one whose inner directories were made unreadable."""
    shutil.rmtree(path, ignore_errors=True)
    if not path.is_dir():
        return
    for directory, _, _ in os.walk(path):  # parents come first, so each is open before it is listed
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                Path(entry.path).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
