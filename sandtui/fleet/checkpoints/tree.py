"""The tree of sandboxes and their checkpoints: what was made from what, as lines with guides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandtui.client import SandboxCheckpoint
from sandtui.fleet.inventory.row import Row

_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Node:
    """A sandbox or a checkpoint. ``row`` and ``checkpoint`` are None where only the id is known any more."""

    id: str
    is_sandbox: bool
    row: Row | None = None
    checkpoint: SandboxCheckpoint | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def key(self) -> tuple[bool, str]:
        """What identifies its line."""
        return self.is_sandbox, self.id

    @property
    def sandbox_id(self) -> str:
        """The sandbox that it is, or that it is a checkpoint of; empty if that is not known."""
        if self.is_sandbox:
            return self.id
        return self.checkpoint.sandbox_id if self.checkpoint is not None else ""

    @property
    def created(self) -> datetime:
        """When it was created."""
        made = self.row.sandbox.created_at if self.row is not None else None
        if self.checkpoint is not None:
            made = self.checkpoint.created_at
        return made or _OLDEST


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A line. ``guides`` says for each level above whether another branch follows there; the last is its own."""

    node: Node
    guides: tuple[bool, ...]
    is_folded: bool = False
    hidden: int = 0
    """The number of lines that are folded away below it."""


def build(
    rows: Mapping[str, Row],
    checkpoints: Mapping[str, SandboxCheckpoint],
    shown: Collection[str] = (),
    *,
    everything: bool = False,
) -> list[Node]:
    """Return the roots, the newest first.

    A sandbox has its checkpoints below it, and a checkpoint the sandboxes that were made from it. ``shown`` sandboxes
    are there without any too; with ``everything`` all that have not ended.
    """
    made: dict[str, list[Row]] = defaultdict(list)
    for row in rows.values():
        if row.sandbox.checkpoint_id:
            made[row.sandbox.checkpoint_id].append(row)
    taken: dict[str, list[SandboxCheckpoint]] = defaultdict(list)
    for each in checkpoints.values():
        taken[each.sandbox_id].append(each)
    nodes: dict[str, Node] = {}
    for sandbox_id in {*taken, *shown, *(row.id for each in made.values() for row in each)}:
        if sandbox_id in rows or sandbox_id in taken:
            nodes[sandbox_id] = Node(sandbox_id, True, rows.get(sandbox_id))
    if everything:
        for row in rows.values():
            if row.id not in nodes and not row.sandbox.is_finished:
                nodes[row.id] = Node(row.id, True, row)
    sources: dict[str, Node] = {each.id: Node(each.id, False, None, each) for each in checkpoints.values()}
    roots: list[Node] = []
    for sandbox_id, node in nodes.items():
        own = (sources[each.id] for each in taken[sandbox_id])
        node.children = sorted(own, key=lambda each: (each.created, each.id))
        origin = node.row.sandbox.checkpoint_id if node.row is not None else None
        if not origin:
            roots.append(node)
            continue
        if origin not in sources:
            # Of a checkpoint that was deleted, only its id is known.
            sources[origin] = Node(origin, False)
            roots.append(sources[origin])
        sources[origin].children.append(node)
    for source in sources.values():
        source.children.sort(key=lambda each: (each.created, each.id))
    return sorted(_without_circles(roots, nodes.values()), key=_newest_first)


def _newest_first(node: Node) -> tuple[float, str]:
    made = node.created
    if node.children and made is _OLDEST:
        made = node.children[0].created
    return (-made.timestamp() if made is not _OLDEST else 0.0, node.id)


def _without_circles(roots: list[Node], nodes: Iterable[Node]) -> list[Node]:
    """Return the roots, with a sandbox of each circle that a platform makes up as another one."""
    reached: set[tuple[bool, str]] = set()

    def walk(start: Node) -> None:
        stack = [start]
        while stack:
            node = stack.pop()
            reached.add(node.key)
            node.children = [child for child in node.children if child.key not in reached]
            stack += node.children

    for root in roots:
        walk(root)
    found = list(roots)
    for node in nodes:
        if node.key not in reached:
            found.append(node)
            walk(node)
    return found


def lines(roots: Iterable[Node], folded: Collection[tuple[bool, str]] = (), needle: str = "") -> list[TreeLine]:
    """Return the lines of a tree, without what is below folded nodes.

    With a ``needle``, only what holds it in its name, id or state, and what that hangs on.
    """
    wanted = _matching(roots, needle.lower()) if needle else None
    found: list[TreeLine] = []
    stack: list[tuple[Node, tuple[bool, ...]]] = [(root, ()) for root in reversed(list(roots))]
    while stack:
        node, guides = stack.pop()
        if wanted is not None and node.key not in wanted:
            continue
        children = [each for each in node.children if wanted is None or each.key in wanted]
        is_folded = bool(children) and node.key in folded and wanted is None
        found.append(TreeLine(node, guides, is_folded, size(node) - 1 if is_folded else 0))
        if not is_folded:
            last = len(children) - 1
            stack += [(child, (*guides, place < last)) for place, child in reversed(list(enumerate(children)))]
    return found


def size(node: Node) -> int:
    """Return the number of nodes of a tree."""
    count, stack = 0, [node]
    while stack:
        each = stack.pop()
        count += 1
        stack += each.children
    return count


def _matching(roots: Iterable[Node], needle: str) -> set[tuple[bool, str]]:
    found: set[tuple[bool, str]] = set()
    stack: list[tuple[Node, tuple[tuple[bool, str], ...]]] = [(root, ()) for root in roots]
    while stack:
        node, above = stack.pop()
        path = (*above, node.key)
        if needle in _text(node):
            found.update(path)
        stack += [(child, path) for child in node.children]
    return found


def _text(node: Node) -> str:
    words = [node.id]
    if node.row is not None:
        words += [node.row.sandbox.name, node.row.status, *node.row.sandbox.labels]
    if node.checkpoint is not None:
        words += [node.checkpoint.state, node.checkpoint.error or "", node.checkpoint.docker_image]
    return " ".join(words).lower()
