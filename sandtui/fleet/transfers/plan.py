"""Planning a transfer before the first byte is copied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandtui.fleet.files.entry import FileKind, TreeItem
from sandtui.fleet.files.names import base, join, parent
from sandtui.fleet.transfers.model import Existing, TransferError
from sandtui.saving import numbered

SMALL = 256 * 1024
"""Size up to which a file is copied in an archive; for larger ones a separate request costs little."""

MIN_ARCHIVE_FILES = 4
"""Number of small files from which an archive pays off: it needs three requests."""

ARCHIVE_BYTES = 24 * 1024 * 1024
ARCHIVE_FILES = 2000


@dataclass(frozen=True, slots=True)
class TransferItem:
    """One file of a transfer, with full paths. ``path`` is relative to the roots, empty for the root itself."""

    path: str
    source: str
    target: str
    size: int
    modified: int
    mode: int


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """The steps of a transfer, in this order, and what is skipped.

    ``replaced`` are relative paths of another kind, removed first. ``links`` are pairs of relative path and target.
    ``permissions`` are the items that differ in permissions only, by relative path.
    """

    replaced: tuple[str, ...]
    folders: tuple[TreeItem, ...]
    items: tuple[TransferItem, ...]
    links: tuple[tuple[str, str], ...] = ()
    permissions: tuple[tuple[str, int], ...] = ()
    skipped: int = 0
    left_out: tuple[TreeItem, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True)
class TransferRules:
    """The rules of a plan. ``keep`` preserves permissions (masked by ``bits``); ``delete`` replaces other kinds.

    ``guarded`` are excluded items in the target, with the directories that contain them.
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
    rules: TransferRules | Existing,
    siblings: Collection[str] = (),
) -> TransferPlan | int:
    """Plan every file and link; return the number of existing files instead when the user must be asked.

    ``there`` are the items of the target by relative path, its root as the empty path. ``siblings`` are the names
    beside the target, for finding a free one for a single file.

    Raises:
        TransferError: the source is neither file nor directory, or an existing item blocks the copy.
    """
    rules = TransferRules(rules) if isinstance(rules, Existing) else rules
    existing = rules.existing
    if root.kind is FileKind.FILE:
        folders: list[TreeItem] = []
        entries = [replace(root, path="")]
    elif root.kind is FileKind.FOLDER:
        folders = [replace(root, path=""), *(item for item in tree if item.kind is FileKind.FOLDER)]
        entries = [item for item in tree if item.kind is FileKind.FILE or item.target]
    else:
        raise TransferError(f"{source} is a device, pipe or socket: only files and directories can be copied")
    known = {item.path for item in (*folders, *entries)}
    left_out = tuple(item for item in tree if item.path not in known)
    replaced = _replaced(target, [*folders, *entries], there, rules)
    there = {path: item for path, item in there.items() if not is_under(path, replaced)}
    conflicts = [item for item in entries if item.path in there]
    if conflicts and existing is Existing.ASK:
        return len(conflicts)
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
        if item.kind is FileKind.LINK:
            links.append((goal, item.target))
            continue
        path = _under(target, goal)
        if found is not None and existing is Existing.RENAME and not item.path:
            path = join(parent(target), renamed(base(target), siblings))
        items.append(TransferItem(item.path, _under(source, item.path), path, item.size, item.modified, item.mode))
    for folder in folders:
        # The root of the target was chosen by the user.
        found = there.get(folder.path) if folder.path else None
        if found is not None and _other_permissions(folder, found, rules):
            permissions.append((folder.path, folder.mode & 0o777))
    fresh = tuple(folder for folder in folders if folder.path not in there)
    # Innermost first: a directory may become read-only.
    permissions.sort(key=lambda each: each[0].split("/"), reverse=True)
    return TransferPlan(
        tuple(sorted(replaced)), fresh, tuple(items), tuple(links), tuple(permissions), skipped, left_out
    )


def is_under(path: str, roots: Collection[str]) -> bool:
    """Whether a relative path is one of ``roots``, or below one."""
    parts = path.split("/")
    return bool(roots) and any("/".join(parts[:count]) in roots for count in range(1, len(parts) + 1))


def renamed(name: str, taken: Iterable[str]) -> str:
    """Return a free name based on this one: ``a-1.txt``, ``a-2.txt``."""
    return numbered(name, frozenset(taken).__contains__)


def archives(items: Sequence[TransferItem]) -> tuple[list[list[TransferItem]], list[TransferItem]]:
    """Split files into archives of small ones, and single files."""
    small = [item for item in items if item.size <= SMALL]
    if len(small) < MIN_ARCHIVE_FILES:
        return [], list(items)
    groups: list[list[TransferItem]] = [[]]
    room = ARCHIVE_BYTES
    for item in small:
        if room < item.size or len(groups[-1]) >= ARCHIVE_FILES:
            groups.append([])
            room = ARCHIVE_BYTES
        groups[-1].append(item)
        room -= item.size
    return groups, [item for item in items if item.size > SMALL]


def _wanted(item: TreeItem, found: TreeItem, existing: Existing) -> bool:
    """Whether a file or link should replace an existing item."""
    if existing is Existing.NEWER:
        return item.modified > found.modified
    if existing is Existing.DIFFERENT:
        if item.kind is FileKind.LINK:
            return item.target != found.target
        return found.kind is not item.kind or (item.size, item.modified) != (found.size, found.modified)
    return existing is Existing.OVERWRITE


def _other_permissions(item: TreeItem, found: TreeItem, rules: TransferRules) -> bool:
    """Whether an otherwise identical item needs other permissions."""
    if not rules.keep or rules.existing is not Existing.DIFFERENT or item.kind is FileKind.LINK:
        return False
    # Further bits of a directory are inherited from its parent.
    bits = 0o777 if item.kind is FileKind.FOLDER else rules.bits
    return (item.mode ^ found.mode) & bits != 0


def _free(path: str, taken: set[str]) -> str:
    free = renamed(path, taken)
    taken.add(free)
    return free


def _replaced(target: str, items: Sequence[TreeItem], there: Mapping[str, TreeItem], rules: TransferRules) -> set[str]:
    """Return what must be removed first because it is of another kind.

    Raises:
        TransferError: it must not be removed.
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
            raise TransferError(f"{_under(target, item.path)} can't be replaced: it contains ignored files")
        replaced.add(item.path)
    return replaced


def _obstacle(path: str, item: TreeItem, found: TreeItem) -> str:
    """Return why an item can't replace an existing one, or an empty text."""
    if item.kind is FileKind.FOLDER:
        return "" if found.kind is FileKind.FOLDER else f"{path} is not a directory"
    if found.kind is FileKind.FOLDER:
        return f"{path} is a directory: a {item.kind.value} can't replace it"
    if found.kind is FileKind.OTHER:
        return f"{path} is a device, pipe or socket and can't be replaced"
    return ""


def _under(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}" if path else root
