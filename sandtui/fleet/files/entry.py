"""Directory entries and listings."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class FileKind(Enum):
    """The type of an entry."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


def kind_of(mode: int) -> FileKind:
    """Return the kind for a file mode."""
    if stat.S_ISREG(mode):
        return FileKind.FILE
    if stat.S_ISDIR(mode):
        return FileKind.FOLDER
    return FileKind.LINK if stat.S_ISLNK(mode) else FileKind.OTHER


def special(mode: int) -> str:
    """Return the name of a special file's type: device, socket, named pipe."""
    named = (
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISBLK, "device"),
        (stat.S_ISCHR, "device"),
    )
    return next((name for test, name in named if test(mode)), "special file")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One directory entry. ``size`` is in bytes, ``modified`` in seconds since 1970.

    ``mode`` holds the kind and the permissions. ``target`` is the target of a link as it is written in the link,
    ``leads_to`` the kind of the target: None for a broken link.
    """

    name: str
    mode: int
    size: int
    modified: int
    target: str = ""
    leads_to: FileKind | None = None

    @property
    def kind(self) -> FileKind:
        """The type."""
        return kind_of(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory or a link to one."""
        return FileKind.FOLDER in {self.kind, self.leads_to}

    @property
    def permissions(self) -> int:
        """The permission bits."""
        return stat.S_IMODE(self.mode)

    @property
    def is_hidden(self) -> bool:
        """Whether the name starts with a dot."""
        return self.name.startswith(".")


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of a directory. ``free`` and ``capacity`` of its file system are in bytes, None when unknown.

    ``refused`` counts the unsafe names (leading out of the directory) that were left out.
    """

    path: str
    entries: Sequence[FileEntry]
    free: int | None = None
    capacity: int | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class TreeItem:
    """An item of a tree; ``path`` is relative to the root, and empty for the root itself.

    ``target`` is the target as written in a link, and empty for everything else.
    """

    path: str
    mode: int
    size: int
    modified: int
    target: str = ""

    @property
    def kind(self) -> FileKind:
        """The type."""
        return kind_of(self.mode)


@dataclass(frozen=True, slots=True)
class Measure:
    """The size of a directory in bytes, and its number of files."""

    size: int
    files: int
