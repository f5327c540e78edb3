"""The user's directories by the habits of the system, and why one of them can't be used."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal

import platformdirs

APP = "sandtui"

Kind = Literal["config", "state", "data", "cache"]


class DirectoryError(OSError):
    """A directory can't be used; the text is a sentence that says why and what to do."""


def user_directory(kind: Kind) -> Path:
    """Return a directory of this user, which may not exist yet.

    Raises:
        DirectoryError: it can't be told where it is.
    """
    variable = f"XDG_{kind.upper()}_HOME"
    try:
        path = Path(getattr(platformdirs, f"user_{kind}_dir")(APP))
    except RuntimeError:
        path = Path()
    homeless = not os.environ.get(variable) and os.environ.get("HOME") == ""
    if homeless or not path.is_absolute():
        raise DirectoryError(
            f"The {kind} directory is unknown: there is no home directory. Set HOME or {variable} to an absolute path."
        )
    return path


def make_private(path: Path) -> None:
    """Make a directory for this user alone, and those above it that are missing, whatever the umask is.

    One that is there stays as it is: it may be shared on purpose.

    Raises:
        OSError: it can't be made, or something else has its name.
    """
    try:
        _make_one(path)
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_private(path.parent)
        _make_one(path)


def _make_one(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileNotFoundError:
        raise
    except OSError:
        if not path.is_dir():
            raise
    else:
        path.chmod(0o700)


def check_writable(path: Path, kind: Kind) -> None:
    """Make a directory of ours when it is missing, and write into it.

    Raises:
        DirectoryError: neither works.
    """
    try:
        make_private(path)
        probe = path / f".write-{secrets.token_hex(4)}"
        probe.touch(0o600)
        probe.unlink()
    except OSError as error:
        raise DirectoryError(
            f"The {kind} directory {path} can't be used: {reason(error, path)}. "
            f"Set XDG_{kind.upper()}_HOME to a directory that you can write to."
        ) from None


def reason(error: OSError, path: Path) -> str:
    """Return in words why a path can't be used; a file that is in the way is named."""
    if isinstance(error, NotADirectoryError | FileExistsError):
        for each in (path, *path.parents):
            if os.path.lexists(each) and not each.is_dir():
                return f"{each} is not a directory"
    return error.strerror or str(error)


def describe(error: BaseException, path: str | Path = "") -> str:
    """Return an error in words: one of the system with its path, or with ``path``, which people know better."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    named = path or error.filename2 or error.filename
    name = os.fsdecode(named) if isinstance(named, str | bytes | os.PathLike) else ""
    words = error.strerror or os.strerror(error.errno)
    return f"{name}: {words}" if name else words
