"""File names: untrusted bytes that may not be valid text.

A name is a string in which bytes that are not UTF-8 are lone surrogates (``os.fsdecode``). So every name survives a
round trip, and only :mod:`sandtui.fleet.text.sanitize` makes it safe to draw.
"""

from __future__ import annotations

import hashlib
import posixpath

MAX_TEMPORARY = 100
"""Bytes of a name that its temporary name repeats: file systems allow 255."""


class FilesError(Exception):
    """A file operation failed; the message says what to do."""


class NoSuchFileError(FilesError):
    """No such file or directory."""


def decode(name: bytes) -> str:
    """Convert a name from bytes to a string."""
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    """Convert a name from a string to bytes."""
    return name.encode("utf-8", "surrogateescape")


def is_text(path: str) -> bool:
    """Whether a path is valid UTF-8, as the platform's file routes require."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_safe(name: str) -> bool:
    """Whether a name stays in its directory; one from outside may be crafted to escape."""
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name


def is_safe_path(path: str) -> bool:
    """Whether a relative path stays under its root."""
    return all(is_safe(part) for part in path.split("/"))


def check_name(name: str) -> str:
    """Validate a typed name and return it.

    Raises:
        FilesError: it is empty, ``.`` or ``..``, contains a slash or is too long.
    """
    if not is_safe(name):
        raise FilesError("a name can't be empty, . or .., or contain a slash")
    if len(encode(name)) > 255:
        raise FilesError("a name can have at most 255 bytes")
    return name


def join(folder: str, name: str) -> str:
    """Join a directory and a name."""
    return posixpath.join(folder, name)


def parent(path: str) -> str:
    """Return the parent directory of a path; the root is its own parent."""
    return posixpath.dirname(path.rstrip("/")) or "/"


def base(path: str) -> str:
    """Return the last name of a path."""
    return posixpath.basename(path.rstrip("/"))


def beside(path: str, suffix: str) -> str:
    """Return a hidden name beside a path, for a file in transit."""
    folder, name = posixpath.split(path)
    whole = encode(name)
    short = whole[:MAX_TEMPORARY].decode("utf-8", "ignore")
    if whole != encode(short):
        # Names with the same start, or that are not text, must not get the same temporary name.
        short += f"~{hashlib.sha256(whole).hexdigest()[:8]}"
    return posixpath.join(folder, f".{short}.{suffix}")


def as_name(text: str, fallback: str) -> str:
    """Turn a text from outside, such as a sandbox's name, into a directory name."""
    name = "".join("_" if c == "/" or not c.isprintable() else c for c in text).strip()
    return name if is_safe(name) and len(encode(name)) <= 200 and not name.startswith("-") else fallback
