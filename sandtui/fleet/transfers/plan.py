"""What a transfer has to do, decided before the first byte is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandtui.fleet.files.entry import Kind, TreeItem
from sandtui.fleet.files.names import base, join, parent
from sandtui.fleet.transfers.model import Existing, TransferError
from sandtui.saving import numbered

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
    """What is done, in this order; the counts and the rest tell what is left alone, and why.

    ``replaced`` are relative paths whose kind is another: they are removed first. ``links`` have a relative path each
    and what is written in them. ``permissions`` are all that differs of some; their paths are relative.
    """

    replaced: tuple[str, ...]
    folders: tuple[TreeItem, ...]
    items: tuple[Item, ...]
    links: tuple[tuple[str, str], ...] = ()
    permissions: tuple[tuple[str, int], ...] = ()
    skipped: int = 0
    left_out: tuple[TreeItem, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True)
class Rules:
    """How it is decided. ``keep`` keeps permissions, as far as ``bits`` goes; with ``delete`` kinds are replaced.

    ``guarded`` is what is to be left alone in the target, with the directories that hold it.
    """

    existing: Existing
    keep: bool = False
    delete: bool = False
    bits: int = 0o777
    guarded: Collection[str] = ()


def plan(
    source: str,
    target: str,
    root: TreeItem,
    tree: Sequence[TreeItem],
    there: Mapping[str, TreeItem],
    rules: Rules | Existing,
    siblings: Collection[str] = (),
) -> Plan | int:
    """Decide about each file and link; the answer is how many are in the way when somebody has to be asked.

    ``there`` is what the target holds already, by relative path, its root as the empty path. ``siblings`` are the
    names beside the target, for a single file that is to get a free one.

    Raises:
        TransferError: the source is neither file nor directory, or one stands where the other is to come.
    """
    rules = Rules(rules) if isinstance(rules, Existing) else rules
    existing = rules.existing
    if root.kind is Kind.FILE:
        folders: list[TreeItem] = []
        entries = [replace(root, path="")]
    elif root.kind is Kind.FOLDER:
        folders = [replace(root, path=""), *(item for item in tree if item.kind is Kind.FOLDER)]
        entries = [item for item in tree if item.kind is Kind.FILE or item.target]
    else:
        raise TransferError(f"{source} is a device, pipe or socket: only files and directories can be copied")
    known = {item.path for item in (*folders, *entries)}
    left_out = tuple(item for item in tree if item.path not in known)
    replaced = _replaced(target, [*folders, *entries], there, rules)
    there = {path: item for path, item in there.items() if not is_under(path, replaced)}
    in_the_way = [item for item in entries if item.path in there]
    if in_the_way and existing is Existing.ASK:
        return len(in_the_way)
    items, links, permissions, skipped = [], [], [], 0
    taken = set(there) | {item.path for item in entries}
    for item in entries:
        found = there.get(item.path)
        goal = item.path
        if found is not None and existing is Existing.RENAME and item.path:
            goal = _free(item.path, taken)
        elif found is not None and existing is not Existing.RENAME and not _wanted(item, found, existing):
            skipped += 1
            if _other_permissions(item, found, rules):
                permissions.append((item.path, item.mode & rules.bits))
            continue
        if item.kind is Kind.LINK:
            links.append((goal, item.target))
            continue
        place = _under(target, goal)
        if found is not None and existing is Existing.RENAME and not item.path:
            place = join(parent(target), renamed(base(target), siblings))
        items.append(Item(item.path, _under(source, item.path), place, item.size, item.modified, item.mode))
    for folder in folders:
        # The root of the target is somebody's own choice.
        found = there.get(folder.path) if folder.path else None
        if found is not None and _other_permissions(folder, found, rules):
            permissions.append((folder.path, folder.mode & 0o777))
    fresh = tuple(folder for folder in folders if folder.path not in there)
    # Inner ones first: a directory may be closed by its own.
    permissions.sort(key=lambda each: each[0].split("/"), reverse=True)
    return Plan(tuple(sorted(replaced)), fresh, tuple(items), tuple(links), tuple(permissions), skipped, left_out)


def is_under(path: str, roots: Collection[str]) -> bool:
    """Whether a relative path is one of some others, or under one."""
    parts = path.split("/")
    return bool(roots) and any("/".join(parts[:count]) in roots for count in range(1, len(parts) + 1))


def renamed(name: str, taken: Iterable[str]) -> str:
    """Return a name like this one that is free: ``a.txt``, ``a-1.txt``, ``a-2.txt``."""
    return numbered(name, frozenset(taken).__contains__)


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
    """Whether a file or link is to take the place of what was found there."""
    if existing is Existing.NEWER:
        return item.modified > found.modified
    if existing is Existing.DIFFERENT:
        if item.kind is Kind.LINK:
            return item.target != found.target
        return found.kind is not item.kind or (item.size, item.modified) != (found.size, found.modified)
    return existing is Existing.OVERWRITE


def _other_permissions(item: TreeItem, found: TreeItem, rules: Rules) -> bool:
    """Whether something that is equal otherwise is to get other permissions."""
    if not rules.keep or rules.existing is not Existing.DIFFERENT or item.kind is Kind.LINK:
        return False
    # A directory's further bits are inherited where it lies.
    bits = 0o777 if item.kind is Kind.FOLDER else rules.bits
    return (item.mode ^ found.mode) & bits != 0


def _free(path: str, taken: set[str]) -> str:
    free = renamed(path, taken)
    taken.add(free)
    return free


def _replaced(target: str, items: Sequence[TreeItem], there: Mapping[str, TreeItem], rules: Rules) -> set[str]:
    """Return what has to go first because it is of another kind.

    Raises:
        TransferError: it may not go.
    """
    replaced = set()
    for item in items:
        found = there.get(item.path)
        problem = "" if found is None else _obstacle(_under(target, item.path), item, found)
        if not problem:
            continue
        if not rules.delete or not item.path:
            raise TransferError(problem)
        if item.path in rules.guarded:
            raise TransferError(f"{_under(target, item.path)} is in the way: it holds files that are ignored")
        replaced.add(item.path)
    return replaced


def _obstacle(place: str, item: TreeItem, found: TreeItem) -> str:
    """Return why something can't take the place of what is there, if that is so."""
    if item.kind is Kind.FOLDER:
        return "" if found.kind is Kind.FOLDER else f"{place} is in the way: it is no directory"
    if found.kind is Kind.FOLDER:
        return f"{place} is a directory; a {item.kind.value} can't take its place"
    if found.kind is Kind.OTHER:
        return f"{place} is a device, pipe or socket and is not replaced"
    return ""


def _under(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}" if path else root
