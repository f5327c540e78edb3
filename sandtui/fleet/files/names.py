"""Names of files: bytes that nobody promises to be text, and that strangers choose.

A name is held as a string with the bytes that are no UTF-8 as lone surrogates (``os.fsdecode``); so every name of a
file system survives, and only :mod:`sandtui.fleet.text.sanitize` makes it fit to be drawn.
"""

from __future__ import annotations

import hashlib
import posixpath

MAX_TEMPORARY = 100
"""Bytes of a name that a temporary one beside it takes over: file systems allow 255."""


class FilesError(Exception):
    """Something that was asked of a file system could not be done; the text says what to do."""


class NoSuchFileError(FilesError):
    """There is nothing of that name."""


def decode(name: bytes) -> str:
    """Return the bytes of a name as a string."""
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    """Return the bytes of a name."""
    return name.encode("utf-8", "surrogateescape")


def is_text(path: str) -> bool:
    """Whether a path is UTF-8 throughout, as the platform's own routes need it."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_safe(name: str) -> bool:
    """Whether a name stays in its directory: one that came from outside may try not to."""
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name


def is_safe_path(path: str) -> bool:
    """Whether a relative path stays under its root."""
    return all(is_safe(part) for part in path.split("/"))


def check_name(name: str) -> str:
    """Return a name that somebody typed, when it can be one.

    Raises:
        FilesError: it is empty, ``.`` or ``..``, has a slash or is too long.
    """
    if not is_safe(name):
        raise FilesError("a name can't be empty, . or .., and has no slash")
    if len(encode(name)) > 255:
        raise FilesError("a name has 255 bytes at most")
    return name


def join(folder: str, name: str) -> str:
    """Return the path of something in a folder."""
    return posixpath.join(folder, name)


def parent(path: str) -> str:
    """Return the folder above a path; the root is above itself."""
    return posixpath.dirname(path.rstrip("/")) or "/"


def base(path: str) -> str:
    """Return the last name of a path."""
    return posixpath.basename(path.rstrip("/"))


def beside(path: str, suffix: str) -> str:
    """Return a hidden name beside a path, for what is on its way to it."""
    folder, name = posixpath.split(path)
    whole = encode(name)
    short = whole[:MAX_TEMPORARY].decode("utf-8", "ignore")
    if whole != encode(short):
        # Two names that begin alike, or are not text, must not meet under the same one.
        short += f"~{hashlib.sha256(whole).hexdigest()[:8]}"
    return posixpath.join(folder, f".{short}.{suffix}")


def as_name(text: str, fallback: str) -> str:
    """Return a text from outside, such as a sandbox's name, as one name for a directory."""
    name = "".join("_" if c == "/" or not c.isprintable() else c for c in text).strip()
    return name if is_safe(name) and len(encode(name)) <= 200 and not name.startswith("-") else fallback
