"""The state of one pane of the file browser: directory, filter, order and marks.

Marks and the cursor are stored as names, not positions: a refresh moves neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandtui.fleet.files.entry import FileEntry, Listing
from sandtui.fleet.files.filesystem import FileSystem
from sandtui.fleet.files.names import base, parent
from sandtui.fleet.load_state import LOADED, LOADING, LoadState, failed

UP = ".."
"""The name of the row for the parent directory."""

Key = Callable[[FileEntry], Any]

ORDERS: dict[str, Key] = {
    "name": lambda entry: (entry.name.lower(), entry.name),
    "size": lambda entry: entry.size,
    "modified": lambda entry: entry.modified,
    "kind": lambda entry: entry.name.rpartition(".")[2].lower(),
}

DESCENDING = frozenset({"size", "modified"})
"""Orders that start with the largest or newest."""


def in_order(
    entries: Sequence[FileEntry], order: str, *, descending: bool, sizes: Mapping[str, int] | None = None
) -> list[FileEntry]:
    """Sort entries, directories first; ``sizes`` are those of measured directories."""
    measured = sizes or {}
    key = ORDERS[order]
    if order == "size":
        # The size of a directory itself is not shown, so it does not affect the order either.
        key = lambda entry: measured.get(entry.name, 0) if entry.is_folder else entry.size  # noqa: E731
    by_name = entries if order == "name" else sorted(entries, key=ORDERS["name"])
    ordered = sorted(by_name, key=key, reverse=descending)
    return [entry for entry in ordered if entry.is_folder] + [entry for entry in ordered if not entry.is_folder]


@dataclass
class Pane:
    """The state of a pane. ``cursors`` remembers the entry under the cursor in each visited directory."""

    side: FileSystem
    title: str
    path: str = "."
    order: str = "name"
    descending: bool = False
    hidden: bool = False
    filter: str = ""
    listing: Listing | None = None
    listed_at: float | None = None
    problem: str = ""
    loading: bool = False
    marks: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    rows: list[FileEntry] = field(default_factory=list)
    _sorted: tuple[object, list[FileEntry]] = (None, [])

    @property
    def load_state(self) -> LoadState:
        """Whether a directory is known."""
        if self.listing is not None:
            return LOADED
        return failed(self.problem) if self.problem and not self.loading else LOADING

    @property
    def is_root(self) -> bool:
        """Whether this is the root directory."""
        return self.path == "/"

    def take(self, listing: Listing, now: float, ordered: list[FileEntry]) -> None:
        """Show a new listing; ``ordered`` are its entries, sorted by :func:`in_order` in a thread."""
        if listing.path != self.path:
            self.marks.clear()
            self.sizes.clear()
            self.filter = ""
        self.path, self.listing, self.listed_at, self.problem = listing.path, listing, now, ""
        self._sorted = (self._order_key, ordered)
        self.marks &= {entry.name for entry in listing.entries}
        self.arrange()

    def arrange(self) -> None:
        """Recompute the rows; sort again only when the order has changed."""
        if self.listing is None:
            return
        key = self._order_key
        if self._sorted[0] != key:
            ordered = in_order(self.listing.entries, self.order, descending=self.descending, sizes=self.sizes)
            self._sorted = (key, ordered)
        wanted = self.filter.lower()
        self.rows = [
            entry
            for entry in self._sorted[1]
            if (self.hidden or not entry.is_hidden) and (not wanted or wanted in entry.name.lower())
        ]
        if not self.is_root and not self.filter:
            self.rows.insert(0, FileEntry(UP, 0o040755, 0, 0))

    def next_order(self) -> None:
        """Sort by the next column."""
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.descending = self.order in DESCENDING
        self.arrange()

    @property
    def _order_key(self) -> tuple[object, ...]:
        measured = tuple(sorted(self.sizes.items())) if self.order == "size" else ()
        return (id(self.listing), self.order, self.descending, measured)

    def destination(self, entry: FileEntry) -> str:
        """Return the path of an entry."""
        return parent(self.path) if entry.name == UP else self.path.rstrip("/") + "/" + entry.name

    def cursor_after(self, came_from: str) -> str:
        """Return the entry for the cursor: the directory that was left, the last position, or the first entry."""
        if parent(came_from) == self.path and came_from != self.path:
            return base(came_from)
        first = next((row.name for row in self.rows if row.name != UP), "")
        return self.cursors.get(self.path, first)

    def chosen(self, under_cursor: str | None) -> list[FileEntry]:
        """Return the target of an action: the marked entries, or else the one under the cursor."""
        entries = self._sorted[1]
        if self.marks:
            return [entry for entry in entries if entry.name in self.marks]
        return [entry for entry in entries if entry.name == under_cursor]

    @property
    def marked_size(self) -> int:
        """Bytes of the marked files and measured directories."""
        entries = self.listing.entries if self.listing is not None else ()
        return sum(
            self.sizes.get(entry.name, 0) if entry.is_folder else entry.size
            for entry in entries
            if entry.name in self.marks
        )
