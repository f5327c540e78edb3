"""What a directory holds."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


def kind_of(mode: int) -> Kind:
    """Return the kind that a file's mode tells."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.OTHER


def special(mode: int) -> str:
    """Return what something is called that is neither file, directory nor link."""
    named = (
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISBLK, "device"),
        (stat.S_ISCHR, "device"),
    )
    return next((name for test, name in named if test(mode)), "special file")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory. ``size`` is in bytes, ``modified`` in seconds since 1970.

    ``mode`` has the kind and the permissions. ``target`` is where a link leads, as it is written in the link, and
    ``leads_to`` what it finds there: None when it finds nothing.
    """

    name: str
    mode: int
    size: int
    modified: int
    target: str = ""
    leads_to: Kind | None = None

    @property
    def kind(self) -> Kind:
        """What it is."""
        return kind_of(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it can be entered."""
        return Kind.FOLDER in {self.kind, self.leads_to}

    @property
    def permissions(self) -> int:
        """The permissions alone."""
        return stat.S_IMODE(self.mode)

    @property
    def is_hidden(self) -> bool:
        """Whether its name begins with a dot."""
        return self.name.startswith(".")


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory at one moment. ``free`` and ``capacity`` are of its file system, in bytes, None when not known.

    ``refused`` counts the names that tried to lead out of the directory and were left out.
    """

    path: str
    entries: Sequence[Entry]
    free: int | None = None
    capacity: int | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class TreeItem:
    """Something under a root; ``path`` is relative to it, and empty for the root itself.

    ``target`` is what is written in a link, and empty for everything else.
    """

    path: str
    mode: int
    size: int
    modified: int
    target: str = ""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return kind_of(self.mode)


@dataclass(frozen=True, slots=True)
class Measure:
    """How much is under a directory."""

    size: int
    files: int
