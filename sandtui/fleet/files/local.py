"""The file system of this machine; blocking work runs in a thread."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sandtui.directories import reason as why
from sandtui.fleet.files.entry import FileEntry, FileKind, Listing, Measure, TreeItem, kind_of
from sandtui.fleet.files.names import FilesError, NoSuchFileError, check_name, join, parent
from sandtui.saving import already_exists

T = TypeVar("T")


class LocalFileSystem:
    """The file system of this machine."""

    sandbox_id: str | None = None

    async def read_folder(self, path: str) -> Listing:
        """Return what is in a directory; see :meth:`FileSystem.read_folder`."""
        return await _work(path, lambda: _list(path))

    async def walk(self, path: str, names: Sequence[str] = ()) -> tuple[list[TreeItem], int]:
        """Return all that is under a directory; see :meth:`FileSystem.walk`."""
        return await _work(path, lambda: (_walk(path, names), 0))

    async def stat(self, path: str) -> TreeItem | None:
        """Return what is at a path; see :meth:`FileSystem.stat`."""
        try:
            return await _work(path, lambda: _item("", Path(path).stat()))
        except NoSuchFileError:
            return None

    async def measure(self, path: str) -> Measure:
        """Count the bytes and files under a directory."""
        items, _ = await self.walk(path)
        sizes = [item.size for item in items if item.kind is FileKind.FILE]
        return Measure(sum(sizes), len(sizes))

    async def make_folders(self, paths: Sequence[str]) -> None:
        """Make directories; see :meth:`FileSystem.make_folders`."""

        def make() -> None:
            for path in paths:
                try:
                    Path(path).mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise FilesError(f"{path} can't be created: {why(error, Path(path))}") from None

        await _work(paths[0] if paths else "", make)

    async def make_links(self, root: str, links: Sequence[tuple[str, str]]) -> None:
        """Make symbolic links; see :meth:`FileSystem.make_links`."""

        def make() -> None:
            for path, target in links:
                link = join(root, path)
                if leads_out(root, link):
                    raise FilesError(f"{parent(link)} is not a directory")
                if os.path.lexists(link):
                    Path(link).unlink()
                Path(link).symlink_to(target)

        await _work(root, make)

    async def rename(self, path: str, name: str) -> None:
        """Give something another name; see :meth:`FileSystem.rename`."""
        check_name(name)
        fresh = join(parent(path), name)

        def rename() -> None:
            if os.path.lexists(fresh):
                raise FilesError(already_exists(fresh))
            Path(path).rename(fresh)

        await _work(path, rename)

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove files and directories; see :meth:`FileSystem.remove`."""

        def remove() -> None:
            for path in paths:
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    shutil.rmtree(path)
                else:
                    Path(path).unlink()

        await _work(paths[0] if paths else "", remove)

    async def set_permissions(self, paths: Sequence[str], mode: int) -> None:
        """Set the permissions."""

        def change() -> None:
            for path in paths:
                Path(path).chmod(mode)

        await _work(paths[0] if paths else "", change)


def leads_out(root: str, path: str) -> bool:
    """Whether the parent directory of a path under a root is reached through a link.

    A file written there would land wherever that link, which came from outside, leads.
    """
    inside = posixpath.relpath(parent(path), root)
    return os.path.realpath(parent(path)) != posixpath.normpath(posixpath.join(os.path.realpath(root), inside))


async def _work(path: str, work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except (FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, NotADirectoryError):
            raise FilesError(f"{_in_the_way(path)} is not a directory") from None
        raise NoSuchFileError(f"{error.filename or path}: no such file or directory") from None
    except OSError as error:
        raise FilesError(f"{error.filename or path}: {error.strerror or error}") from None
    except ValueError as error:
        raise FilesError(f"invalid path {path!r}: {error}") from None


def _in_the_way(path: str) -> str:
    """Return the part of a path that is not a directory."""
    return next((str(each) for each in reversed(Path(path).parents) if each.exists() and not each.is_dir()), path)


def _list(path: str) -> Listing:
    whole = str(Path(path).absolute()) if path == "." else path
    entries = []
    with os.scandir(whole) as found:
        for each in found:
            try:
                entries.append(_entry(each))
            except FileNotFoundError:
                continue  # deleted meanwhile
    try:
        space = os.statvfs(whole)
    except OSError:
        return Listing(whole, entries)
    return Listing(whole, entries, space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize)


def _entry(each: os.DirEntry[str]) -> FileEntry:
    found = each.stat(follow_symlinks=False)
    target, leads_to = "", None
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(each.path)  # noqa: PTH115 - a Path would fold what is written in the link
        try:
            leads_to = kind_of(each.stat().st_mode)
        except OSError:
            leads_to = None  # broken or circular
    return FileEntry(each.name, found.st_mode, found.st_size, int(found.st_mtime), target, leads_to)


def _walk(root: str, names: Sequence[str]) -> list[TreeItem]:
    items: list[TreeItem] = []
    waiting = [] if names else [""]
    for name in names:
        try:
            whole = join(root, name)
            items.append(_item(name, os.lstat(whole), whole))
        except FileNotFoundError:
            continue
        if items[-1].kind is FileKind.FOLDER:
            waiting.append(name)
    while waiting:
        folder = waiting.pop()
        with os.scandir(join(root, folder) if folder else root) as found:
            for each in found:
                path = f"{folder}/{each.name}" if folder else each.name
                try:
                    items.append(_item(path, each.stat(follow_symlinks=False), each.path))
                except FileNotFoundError:
                    continue  # deleted meanwhile
                if each.is_dir(follow_symlinks=False):
                    waiting.append(path)
    items.sort(key=lambda item: item.path.split("/"))
    return items


def _item(path: str, found: os.stat_result, whole: str = "") -> TreeItem:
    target = os.readlink(whole) if whole and stat.S_ISLNK(found.st_mode) else ""  # noqa: PTH115 - as it is written
    return TreeItem(path, found.st_mode, found.st_size, int(found.st_mtime), target)
