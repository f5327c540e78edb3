"""Files written for the user: private, whole or not at all, and a new one never in the place of another."""

from __future__ import annotations

import os
import posixpath
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path


def already_exists(name: object) -> str:
    """Return the text for a name that is taken, where nothing is overwritten."""
    return f"{name} already exists: choose another name"


def typed_path(text: str) -> Path:
    """Return the path that somebody typed, with ``~`` for the home directory."""
    return with_home(Path(text.strip()))


def with_home(path: Path) -> Path:
    """Return a path with the home directory in place of ``~``; that of a user who does not exist stays as it is."""
    try:
        return path.expanduser()
    except (RuntimeError, ValueError):
        return path


def check_new_path(path: Path) -> str:
    """Return why a new file can't be written to a path, or an empty text."""
    # Unlike the methods of Path these never raise, for example for a name that is too long.
    if os.path.lexists(path):
        return already_exists(path)
    return "" if os.path.isdir(path.parent) else f"no such directory: {path.parent}"  # noqa: PTH112


def check_folder(path: Path) -> str:
    """Return why new files can't be written below a directory, which may not exist yet; or an empty text."""
    existing = next((each for each in (path, *path.parents) if os.path.lexists(each)), path)
    return "" if os.path.isdir(existing) else f"not a directory: {existing}"  # noqa: PTH112


def check_new_file(text: str) -> str:
    """Return what is wrong with the path of a new file as somebody typed it, or an empty text."""
    return check_new_path(typed_path(text)) if text.strip() else "enter a file name"


def numbered(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name like one that is taken: the first free one of ``a-1.txt``, ``a-2.txt``, ..."""
    stem, ending = posixpath.splitext(name)
    number = 1
    while is_taken(other := f"{stem}-{number}{ending}"):
        number += 1
    return other


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name if it is free, or else a numbered one like it."""
    return numbered(name, is_taken) if is_taken(name) else name


def replace_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Write or replace a file that only this user can read; ``durable`` makes it outlast a power failure.

    Raises:
        OSError: it can't be written; what stood there is untouched.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        create_private(fresh, [text], durable=durable)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_new(path: Path, texts: Iterable[str]) -> None:
    """Write a new file that only this user can read.

    Raises:
        OSError: it can't be written, or something is there already, also if it came meanwhile.
    """
    if os.path.lexists(path):
        raise FileExistsError(already_exists(path))
    fresh = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        create_private(fresh, texts)
        try:
            # Unlike a rename, a link never replaces anything.
            os.link(fresh, path)
        except FileExistsError:
            raise FileExistsError(already_exists(path)) from None
        except OSError:
            # Not every file system has links.
            if os.path.lexists(path):
                raise FileExistsError(already_exists(path)) from None
            fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def create_private(path: Path, texts: Iterable[str], *, durable: bool = True) -> None:
    """Create a file that only this user can read, and write to it; what was written stays after an error.

    Raises:
        OSError: it can't be written, or something is there already.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as stream:
        stream.writelines(texts)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
