"""What a transfer has to do, decided before the first byte is sent."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandtui.fleet.files.entry import Kind, TreeItem
from sandtui.fleet.files.names import base, join, parent
from sandtui.fleet.transfers.model import Existing, TransferError

SMALL = 256 * 1024
"""Bytes up to which a file goes with others in an archive: beyond, a request of its own costs little."""

FEWEST = 4
"""Small files for which an archive is worth its three requests."""

ARCHIVE_BYTES = 24 * 1024 * 1024
ARCHIVE_FILES = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a transfer, by whole paths. ``path`` is relative to the roots, empty when it is the root itself."""

    path: str
    source: str
    target: str
    size: int
    modified: int
    mode: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The directories to make and the files to copy; the counts tell what is left alone, and why."""

    folders: tuple[TreeItem, ...]
    items: tuple[Item, ...]
    skipped: int = 0
    left_out: int = 0

    @property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(item.size for item in self.items)


def plan(
    source: str,
    target: str,
    root: TreeItem,
    tree: Sequence[TreeItem],
    there: Mapping[str, TreeItem],
    existing: Existing,
    siblings: Collection[str] = (),
) -> Plan | int:
    """Decide about each file; the answer is the number of files in the way when somebody has to be asked.

    ``there`` is what the target holds already, by relative path, its root as the empty path. ``siblings`` are the
    names beside the target, for a single file that is to get a free one.

    Raises:
        TransferError: the source is neither file nor directory, or one stands where the other is to come.
    """
    if root.kind is Kind.FILE:
        folders: list[TreeItem] = []
        files = [replace(root, path="")]
        left_out = 0
    elif root.kind is Kind.FOLDER:
        folders = [replace(root, path=""), *(item for item in tree if item.kind is Kind.FOLDER)]
        files = [item for item in tree if item.kind is Kind.FILE]
        left_out = len(tree) - len(files) - len(folders) + 1
    else:
        raise TransferError(f"{source} is a device, pipe or socket: only files and directories can be copied")
    _check_kinds(target, folders, files, there)
    in_the_way = [item for item in files if item.path in there]
    if in_the_way and existing is Existing.ASK:
        return len(in_the_way)
    items, skipped = [], 0
    taken = set(there) | {item.path for item in files}
    for item in files:
        found = there.get(item.path)
        if found is not None and existing is Existing.RENAME:
            if item.path:
                goal = _under(target, _free(item.path, taken))
            else:
                goal = join(parent(target), renamed(base(target), siblings))
        elif found is None or _wanted(item, found, existing):
            goal = _under(target, item.path)
        else:
            skipped += 1
            continue
        items.append(Item(item.path, _under(source, item.path), goal, item.size, item.modified, item.mode))
    fresh = tuple(folder for folder in folders if folder.path not in there)
    return Plan(fresh, tuple(items), skipped, left_out)


def renamed(name: str, taken: Iterable[str]) -> str:
    """Return a name like this one that is free: ``a.txt``, ``a-1.txt``, ``a-2.txt``."""
    used = set(taken)
    stem, dot = posixpath.splitext(name)
    number = 1
    while f"{stem}-{number}{dot}" in used:
        number += 1
    return f"{stem}-{number}{dot}"


def archives(items: Sequence[Item]) -> tuple[list[list[Item]], list[Item]]:
    """Part files into archives of small ones and those that go by themselves."""
    small = [item for item in items if item.size <= SMALL]
    if len(small) < FEWEST:
        return [], list(items)
    groups: list[list[Item]] = [[]]
    room = ARCHIVE_BYTES
    for item in small:
        if room < item.size or len(groups[-1]) >= ARCHIVE_FILES:
            groups.append([])
            room = ARCHIVE_BYTES
        groups[-1].append(item)
        room -= item.size
    return groups, [item for item in items if item.size > SMALL]


def _wanted(item: TreeItem, found: TreeItem, existing: Existing) -> bool:
    """Whether a file is to take the place of the one that was found there."""
    if existing is Existing.NEWER:
        return item.modified > found.modified
    if existing is Existing.DIFFERENT:
        return (item.size, item.modified) != (found.size, found.modified)
    return existing is Existing.OVERWRITE


def _free(path: str, taken: set[str]) -> str:
    free = renamed(path, taken)
    taken.add(free)
    return free


def _check_kinds(
    target: str, folders: Sequence[TreeItem], files: Sequence[TreeItem], there: Mapping[str, TreeItem]
) -> None:
    for folder in folders:
        found = there.get(folder.path)
        if found is not None and found.kind is not Kind.FOLDER:
            raise TransferError(f"{_under(target, folder.path)} is in the way: it is no directory")
    for item in files:
        found = there.get(item.path)
        if found is not None and found.kind is Kind.FOLDER:
            raise TransferError(f"{_under(target, item.path)} is a directory; a file can't take its place")
        if found is not None and found.kind is Kind.OTHER:
            raise TransferError(f"{_under(target, item.path)} is a device, pipe or socket and is not replaced")


def _under(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}" if path else root
