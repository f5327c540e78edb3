"""The two sides of every file operation: this machine, or a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandtui.fleet.files.entry import Listing, Measure, TreeItem


class Side(Protocol):
    """A file system. Paths are absolute; every method raises :class:`FilesError` when it could not be done."""

    @property
    def sandbox_id(self) -> str | None:
        """Whose file system it is; None for this machine."""
        ...

    async def read_folder(self, path: str) -> Listing:
        """Return what is in a directory; ``.`` is where a shell begins."""
        ...

    async def walk(self, path: str, names: Sequence[str] = ()) -> tuple[list[TreeItem], int]:
        """Return all that is under a directory, parents first, and how many names were refused.

        With ``names`` only those of its entries are looked at; names that are not there are left out.
        """
        ...

    async def look(self, path: str) -> TreeItem | None:
        """Return what is at a path, links followed; None when there is nothing."""
        ...

    async def measure(self, path: str) -> Measure:
        """Count the bytes and files under a directory."""
        ...

    async def make_folders(self, paths: Sequence[str]) -> None:
        """Make directories, with those above them; those that are there are left as they are."""
        ...

    async def make_links(self, root: str, links: Sequence[tuple[str, str]]) -> None:
        """Make symbolic links, each a path under ``root`` and what is written in it, in place of files and links.

        The directories that they are in are there, and are no links themselves.
        """
        ...

    async def rename(self, path: str, name: str) -> None:
        """Give something another name in its directory; nothing is overwritten."""
        ...

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove files, and directories with all that is in them; links are removed, not what they lead to."""
        ...

    async def set_permissions(self, paths: Sequence[str], mode: int) -> None:
        """Set the permissions."""
        ...
