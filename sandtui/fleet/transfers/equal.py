"""Making two directories equal, one way: what differs, what is ignored, and what is there too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pathspec import GitIgnoreSpec

from sandtui.fleet.files.entry import Kind, TreeItem
from sandtui.fleet.files.names import parent


@dataclass(frozen=True, slots=True)
class Difference:
    """What a synchronisation would do, by relative paths; ``size`` is in bytes."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]
    same: int
    size: int


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


def extras(tree: Sequence[TreeItem], there: Mapping[str, TreeItem]) -> list[str]:
    """Return what the target has and the source has not: the topmost of each, for all below goes with it."""
    wanted = {item.path for item in tree}
    found: list[str] = []
    for path in sorted(there, key=lambda each: each.split("/")):
        if path and path not in wanted and not (found and path.startswith(f"{found[-1]}/")):
            found.append(path)
    return found


def difference(tree: Sequence[TreeItem], there: Mapping[str, TreeItem]) -> Difference:
    """Compare two trees by size and time, as the copy will."""
    files = [item for item in tree if item.kind is Kind.FILE]
    new = [item for item in files if item.path not in there]
    changed = [item for item in files if item.path in there and _differs(item, there[item.path])]
    return Difference(
        tuple(item.path for item in new),
        tuple(item.path for item in changed),
        tuple(extras(tree, there)),
        len(files) - len(new) - len(changed),
        sum(item.size for item in [*new, *changed]),
    )


def _differs(item: TreeItem, other: TreeItem) -> bool:
    return (item.size, item.modified) != (other.size, other.modified)
