"""Making two directories equal, one way: what differs, what is ignored, and what is there too much."""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pathspec import GitIgnoreSpec

from sandtui.fleet.files.entry import Kind, TreeItem, special
from sandtui.fleet.files.names import parent
from sandtui.fleet.transfers.model import Existing
from sandtui.fleet.transfers.plan import Plan, Rules, is_under, plan

ROOT: Final = TreeItem("", stat.S_IFDIR | 0o755, 0, 0)
OMITTED_TOLD = 20
"""Names of what is left out that are told; of more only the number is."""

_SYNC: Final = Rules(Existing.DIFFERENT, keep=True, delete=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a synchronisation would do, by relative paths; ``size`` is in bytes.

    ``extra`` is what has to go: what only the target has, and what is of another kind there. ``left_out`` can't be
    copied, and of ``refused`` more the names lead out of their directory. ``held`` are the ``.git`` that are left out,
    ``replaced`` all that is there and would not stay as it is, whatever its kind.
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
    return GitIgnoreSpec.from_lines(patterns)


def ignored(patterns: tuple[str, ...], items: Sequence[TreeItem]) -> list[TreeItem]:
    """Return the items that no pattern leaves out; nothing comes back inside a directory that is left out.

    Raises:
        ValueError: a pattern can't be read.
    """
    if not patterns:
        return list(items)
    spec = _spec(patterns)
    out: set[str] = set()
    kept = []
    for item in items:  # parents come first
        is_folder = item.kind is Kind.FOLDER
        if parent(f"/{item.path}")[1:] in out or spec.match_file(item.path + ("/" if is_folder else "")):
            if is_folder:
                out.add(item.path)
        else:
            kept.append(item)
    return kept


def guarded(items: Sequence[TreeItem], kept: Sequence[TreeItem]) -> set[str]:
    """Return what is to be left alone, with the directories that hold it."""
    names = {item.path for item in kept}
    found: set[str] = set()
    for item in items:
        path = item.path if item.path not in names else ""
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def extras(tree: Sequence[TreeItem], there: Mapping[str, TreeItem], guarded: Collection[str] = ()) -> list[str]:
    """Return what the target has and the source has not: the topmost of each, for all below goes with it.

    A directory that is ``guarded`` stays, and only what else is in it goes.
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
    rules: Rules = _SYNC,
    *,
    extra: Sequence[str] | None = None,
    root: TreeItem = ROOT,
    target: str = "/",
) -> Difference:
    """Compare two trees as the copy will.

    Raises:
        TransferError: the copy would fail, for something is in the way.
    """
    made = plan("/", target, root, tree, there, rules)
    assert isinstance(made, Plan)
    kinds = {item.path: item.kind for item in tree}
    copied = {item.path for item in made.items} | {path for path, _ in made.links}
    new = {path for path in copied if path not in there or is_under(path, made.replaced)}
    changed = copied - new | {path for path, _ in made.permissions}
    same = made.skipped - sum(kinds.get(path) is not Kind.FOLDER for path, _ in made.permissions)
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


def replaced(made: Plan, there: Collection[str]) -> set[str]:
    """Return the paths of what is there and a plan would replace or give other permissions."""
    copied = {item.path for item in made.items} | {path for path, _ in made.links}
    return {path for path in copied if path in there} | set(made.replaced) | {path for path, _ in made.permissions}


def omitted(label: str, items: Sequence[TreeItem], refused: int, held: Sequence[str] = ()) -> tuple[str, ...]:
    """Return in words what is left out under a source; of many the first. Without a label the paths are relative."""
    inside, about = (f"{label.rstrip('/')}/", f"{label.rstrip('/')}: ") if label else ("", "")
    told = [
        f"{inside}{item.path} is a {special(item.mode)}"
        if item.kind is Kind.OTHER
        else f"{inside}{item.path} can't be read as a link"
        for item in items[:OMITTED_TOLD]
    ]
    if len(items) > OMITTED_TOLD:
        told.append(f"{about}{len(items) - OMITTED_TOLD:,} more pipes, sockets and devices")
    told += [f"{inside}{path} is git's own, which runs what it finds there" for path in held[:OMITTED_TOLD]]
    if len(held) > OMITTED_TOLD:
        told.append(f"{about}{len(held) - OMITTED_TOLD:,} more .git")
    if refused:
        told.append(f"{about}{refused:,} names that lead out of their directory")
    return tuple(told)
