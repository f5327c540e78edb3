"""The interface of a file system: this machine's, or a sandbox's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandtui.fleet.files.entry import Listing, Measure, TreeItem


class FileSystem(Protocol):
    """A file system. Paths are absolute; every method raises :class:`FilesError` on failure."""

    @property
    def sandbox_id(self) -> str | None:
        """The sandbox; None for this machine."""
        ...

    async def read_folder(self, path: str) -> Listing:
        """List a directory; ``.`` is the initial directory of a shell."""
        ...

    async def walk(self, path: str, names: Sequence[str] = ()) -> tuple[list[TreeItem], int]:
        """Return everything under a directory, parents first, and the number of refused (unsafe) names.

        With ``names`` only these entries are walked; missing ones are left out.
        """
        ...

    async def stat(self, path: str) -> TreeItem | None:
        """Return the item at a path, following links; None when it does not exist."""
        ...

    async def measure(self, path: str) -> Measure:
        """Return the number of bytes and files under a directory."""
        ...

    async def make_folders(self, paths: Sequence[str]) -> None:
        """Create directories with their parents; existing ones are left unchanged."""
        ...

    async def make_links(self, root: str, links: Sequence[tuple[str, str]]) -> None:
        """Create symbolic links (path under ``root``, target), replacing files and links.

        Their parent directories exist and are not links themselves.
        """
        ...

    async def rename(self, path: str, name: str) -> None:
        """Rename an entry within its directory; nothing is overwritten."""
        ...

    async def remove(self, paths: Sequence[str]) -> None:
        """Delete files, and directories recursively; links are deleted, not their targets."""
        ...

    async def set_permissions(self, paths: Sequence[str], mode: int) -> None:
        """Set the permissions."""
        ...
