"""One-way sync of directories: differences, ignored items, and extra items in the target."""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sandtui.fleet.files.entry import FileKind, TreeItem, special
from sandtui.fleet.files.names import parent
from sandtui.fleet.transfers.model import Existing
from sandtui.fleet.transfers.plan import TransferPlan, TransferRules, is_under, plan

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

ROOT: Final = TreeItem("", stat.S_IFDIR | 0o755, 0, 0)
MAX_OMITTED = 20
"""Omitted items listed by name; of the rest only the number is shown."""

_SYNC: Final = TransferRules(Existing.DIFFERENT, keep=True, delete=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a sync would do, by relative paths; ``size`` is in bytes.

    ``extra`` is to be deleted: what only the target has, or what is of another kind there. ``left_out`` can't be
    copied; ``refused`` counts unsafe names. ``held`` are the ``.git`` directories that are left out, ``replaced``
    everything in the target that would be replaced or changed.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]
    same: int
    size: int
    left_out: tuple[TreeItem, ...] = ()
    refused: int = 0
    held: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


@lru_cache(maxsize=16)
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns)


def without_ignored(patterns: tuple[str, ...], items: Sequence[TreeItem]) -> list[TreeItem]:
    """Return the items that no pattern excludes; everything below an excluded directory is excluded.

    Raises:
        ValueError: a pattern is invalid.
    """
    if not patterns:
        return list(items)
    spec = _spec(patterns)
    out: set[str] = set()
    kept = []
    for item in items:  # parents come first
        is_folder = item.kind is FileKind.FOLDER
        if parent(f"/{item.path}")[1:] in out or spec.match_file(item.path + ("/" if is_folder else "")):
            if is_folder:
                out.add(item.path)
        else:
            kept.append(item)
    return kept


def guarded(items: Sequence[TreeItem], kept: Sequence[TreeItem]) -> set[str]:
    """Return the excluded items, with the directories that contain them."""
    names = {item.path for item in kept}
    found: set[str] = set()
    for item in items:
        path = item.path if item.path not in names else ""
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def extras(tree: Sequence[TreeItem], there: Mapping[str, TreeItem], guarded: Collection[str] = ()) -> list[str]:
    """Return what only the target has: the topmost items, since everything below is deleted with them.

    A ``guarded`` directory stays; only other items in it are returned.
    """
    wanted = {item.path for item in tree}
    found: list[str] = []
    for path in sorted(there, key=lambda each: each.split("/")):
        if path and path not in wanted and path not in guarded and not (found and path.startswith(f"{found[-1]}/")):
            found.append(path)
    return found


def difference(
    tree: Sequence[TreeItem],
    there: Mapping[str, TreeItem],
    rules: TransferRules = _SYNC,
    *,
    extra: Sequence[str] | None = None,
    root: TreeItem = ROOT,
    target: str = "/",
) -> Difference:
    """Compare two trees in the same way as the copy.

    Raises:
        TransferError: the copy would fail, because something blocks it.
    """
    made = plan("/", target, root, tree, there, rules)
    assert isinstance(made, TransferPlan)
    kinds = {item.path: item.kind for item in tree}
    copied = {item.path for item in made.items} | {path for path, _ in made.links}
    new = {path for path in copied if path not in there or is_under(path, made.replaced)}
    changed = copied - new | {path for path, _ in made.permissions}
    same = made.skipped - sum(kinds.get(path) is not FileKind.FOLDER for path, _ in made.permissions)
    gone = [path for path in (extras(tree, there) if extra is None else extra) if not is_under(path, made.replaced)]
    order = [item.path for item in tree or (root,)]
    return Difference(
        tuple(path for path in order if path in new),
        tuple(path for path in order if path in changed),
        tuple(sorted([*gone, *made.replaced], key=lambda path: path.split("/"))),
        same,
        made.size,
        made.left_out,
        replaced=tuple(sorted(replaced(made, there))),
    )


def replaced(made: TransferPlan, there: Collection[str]) -> set[str]:
    """Return the existing paths that a plan would replace, or whose permissions it would change."""
    copied = {item.path for item in made.items} | {path for path, _ in made.links}
    return {path for path in copied if path in there} | set(made.replaced) | {path for path, _ in made.permissions}


def omitted(label: str, items: Sequence[TreeItem], refused: int, held: Sequence[str] = ()) -> tuple[str, ...]:
    """Return lines about the omitted items of a source, at most some. Without a label the paths are relative."""
    inside, about = (f"{label.rstrip('/')}/", f"{label.rstrip('/')}: ") if label else ("", "")
    lines = [
        f"{inside}{item.path} is a {special(item.mode)}"
        if item.kind is FileKind.OTHER
        else f"{inside}{item.path} is an unreadable link"
        for item in items[:MAX_OMITTED]
    ]
    if len(items) > MAX_OMITTED:
        lines.append(f"{about}{len(items) - MAX_OMITTED:,} more pipes, sockets and devices")
    lines += [f"{inside}{path} is a .git directory (git may run its files)" for path in held[:MAX_OMITTED]]
    if len(held) > MAX_OMITTED:
        lines.append(f"{about}{len(held) - MAX_OMITTED:,} more .git directories")
    if refused:
        lines.append(f"{about}{refused:,} unsafe names")
    return tuple(lines)
