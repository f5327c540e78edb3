"""The part of the fleet that a table shows: filtered, sorted, grouped, marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from sandtui.client.models import SandboxStatus
from sandtui.client.models.sandbox import FINISHED_STATUSES
from sandtui.clock import Clock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.groups import GROUP_PREFIX, Group, Grouping, grouping, lines_of, make_groups
from sandtui.fleet.inventory.order import (
    BY_AGE,
    BY_RECENCY,
    ORDERS_BY_ID,
    SORT_ORDERS,
    SortedRows,
    SortOrder,
    newest_first,
)
from sandtui.fleet.inventory.query import EVERYTHING, Query
from sandtui.fleet.inventory.query.use import is_unmeasured
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.view_state import ViewState

__all__ = ["SORT_ORDERS", "FleetView", "SortOrder"]

_ENOUGH = 1000
"""About this many rows tell what most of them are."""

_MOST, _FEWER = 0.5, 0.4

_FEW = 100
"""Up to this many marks are looked up one by one; for more, one pass over the rows is faster."""


class FleetView:
    """The rows that match the query, in order, and the marks.

    Changes of the store are collected until :meth:`update` applies them: only the changed rows are filtered and put
    in order. Marks are ids; they outlive filters, but not their sandboxes. Lines are counted from 0.
    """

    def __init__(self, store: FleetStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pending = ChangeSet()
        self._unwatch: Callable[[], None] = store.watch(self._note)
        self._order = BY_AGE
        self.descending = self._order.descending
        self._query: Query = EVERYTHING
        self._active_only = False
        self._grouping: Grouping | None = None
        self._collapsed: set[str] = set()
        self._lines: list[Group | Row] | None = None
        self._line_places: dict[str, int] | None = None
        self._hidden: int | None = None
        self._unmeasured: int | None = None
        self._errors: bool | None = None
        self._listed_errors = False
        self._base = self._all = self._shown = SortedRows(self._order, [])
        self.groups: list[Group] = []
        self.marks: set[str] = set()
        self.rebuild()

    def close(self) -> None:
        """Stop listening to the store."""
        self._unwatch()

    @property
    def store(self) -> FleetStore:
        """The source of the rows."""
        return self._store

    @property
    def order(self) -> SortOrder:
        """The order in use."""
        return self._order

    @property
    def rising(self) -> bool:
        """Whether what the sorted column shows rises from line to line."""
        return self.descending == self._order.mirrored

    @property
    def query(self) -> Query:
        """The filter in use."""
        return self._query

    @query.setter
    def query(self, query: Query) -> None:
        earlier, self._query = self._query, query
        self.update()
        if query.narrows(earlier):
            # The current list may be that of all rows: it must not be changed.
            self._shown = SortedRows(self._order, query.select(self._shown.rows, self._now()))
            self._lines_changed()
        else:
            self._filter()

    @property
    def active_only(self) -> bool:
        """Whether ended sandboxes are hidden."""
        return self._active_only

    @active_only.setter
    def active_only(self, active_only: bool) -> None:
        self._active_only = active_only
        self._filter()

    # What is shown

    @property
    def count(self) -> int:
        """The number of matching rows, including those in collapsed groups."""
        return len(self._shown.rows)

    @property
    def rows(self) -> list[Row]:
        """The matching rows, in display order."""
        if self._grouping is not None:
            return [row for group in self.groups for row in group.rows]
        return self._shown.rows[::-1] if self.descending else list(self._shown.rows)

    @property
    def line_count(self) -> int:
        """The number of lines: rows, and group headers if grouped."""
        return len(self._shown.rows) if self._lines is None else len(self._lines)

    def line(self, place: int) -> Group | Row:
        """Return the group or row at a line; of a row its newest version, even if that belongs elsewhere."""
        if self._lines is not None:
            line = self._lines[place]
        else:
            line = self._shown.rows[-1 - place if self.descending else place]
        return line if isinstance(line, Group) else self._store.get(line.id) or line

    def place(self, line_id: str) -> int | None:
        """Return the line of a sandbox or group, or None."""
        if self._lines is not None:
            if self._line_places is None:
                self._line_places = {line.id: place for place, line in enumerate(self._lines)}
            return self._line_places.get(line_id)
        row = self._pending.before.get(line_id) or self._store.get(line_id)
        if row is None or line_id in self._pending.added:
            return None
        place = self._shown.place(row)
        if place is None:
            return None
        return len(self._shown.rows) - 1 - place if self.descending else place

    @property
    def measurable(self) -> list[Row]:
        """The rows that match apart from terms about usage, in display order."""
        if not self._query.asks_use:
            return self.rows
        rows = self._query.apart_from_use.select(self._all.rows, self._now())
        return rows[::-1] if self.descending else rows

    @property
    def unmeasured(self) -> int:
        """The number of running sandboxes that must be measured to answer the query."""
        if self._unmeasured is None:
            asked = self._query.asks_use
            self._unmeasured = sum(map(is_unmeasured, self.measurable)) if asked else 0
        return self._unmeasured

    @property
    def lists_errors(self) -> bool:
        """Whether most of the matching rows are errors, or some of them and none is alive. Of many a part is looked at.

        Once it is so, it stays so a little longer, or a fleet around the half would change its columns again and again.
        """
        if self._errors is None:
            rows = self._shown.rows
            part = rows[:: 1 + len(rows) // _ENOUGH]
            share = sum(row.status == SandboxStatus.ERROR for row in part) / len(part) if part else 0.0
            over = share > 0 and all(row.sandbox.is_finished for row in part)
            self._listed_errors = over or share > (_FEWER if self._listed_errors else _MOST)
            self._errors = self._listed_errors
        return self._errors

    def row_ids(self, first: int, last: int) -> Iterator[str]:
        """Return the ids of the rows on some lines, the last included."""
        for place in range(max(0, first), min(last, self.line_count - 1) + 1):
            line = self.line(place)
            if isinstance(line, Row):
                yield line.id

    # Keeping up

    def update(self) -> ChangeSet:
        """Apply and return the changes that the store announced."""
        change, self._pending = self._pending, ChangeSet()
        if not change:
            return change
        get = self._store.get
        old = [change.before[sandbox_id] for sandbox_id in change.changed | change.removed]
        new = [row for sandbox_id in change.added | change.changed if (row := get(sandbox_id)) is not None]
        self._base.swap(old, new)
        self._all.swap(old, new)
        before = self._shown.rows
        if self._shown is not self._all:
            self._shown.swap(old, self._select(new))
        if before is not self._shown.rows or self._grouping is not None:
            self._lines_changed()
        self._hidden = self._unmeasured = self._errors = None
        return change

    def rebuild(self) -> None:
        """Filter and sort everything again."""
        self._pending = ChangeSet()
        rows, unique = newest_first(self._store)
        self._base = SortedRows(BY_RECENCY, rows)
        if unique and self._order is BY_AGE:
            self._all = SortedRows(BY_AGE, rows[::-1])
            self._filter()
        else:
            self._sort()
        if self.marks:
            self.marks &= self._store.rows.keys()

    def refilter(self) -> None:
        """Filter again: the meaning of a word in the query has changed."""
        self.update()
        self._filter()

    def retime(self) -> bool:
        """Filter again if the matches depend on the time; return whether they do."""
        if not self._query.is_timed:
            return False
        self.update()
        self._filter()
        return True

    # Order and groups

    def sort_by(self, order_id: str) -> None:
        """Sort by an order in its natural direction, or reverse the current one."""
        if order_id == self._order.id:
            self.reverse()
            return
        self.update()
        self._order = ORDERS_BY_ID[order_id]
        self.descending = self._order.descending
        self._sort()

    def sort_by_next(self, order_ids: Sequence[str]) -> None:
        """Sort by the next one of some orders, in its natural direction; by the first if the current is another."""
        if not order_ids:
            return
        place = order_ids.index(self._order.id) + 1 if self._order.id in order_ids else 0
        self.sort_by(order_ids[place % len(order_ids)])

    def reverse(self) -> None:
        """Reverse the order."""
        self.descending = not self.descending
        self._lines_changed()

    @property
    def grouping(self) -> Grouping | None:
        """The grouping, if any."""
        return self._grouping

    def group_by(self, by: Grouping | None) -> None:
        """Group the rows, or not; all groups start expanded."""
        self.update()
        self._grouping = by
        self._collapsed.clear()
        self._lines_changed()

    def toggle_group(self, line_id: str) -> None:
        """Expand or collapse a group by the id of its line."""
        self._collapsed ^= {line_id.removeprefix(GROUP_PREFIX)}
        self._lines_changed()

    def toggle_all_groups(self) -> None:
        """Collapse all groups, or expand them if all are collapsed."""
        keys = {group.key for group in self.groups}
        self._collapsed = set() if keys <= self._collapsed else keys
        self._lines_changed()

    # State

    @property
    def state(self) -> ViewState:
        """Filter, order and groups, to return to them."""
        return ViewState(
            self._query.text,
            self._order.id,
            self.descending,
            self._active_only,
            self._grouping.id if self._grouping is not None else "",
            tuple(sorted(self._collapsed)),
        )

    def arrange(self, state: ViewState, query: Query) -> None:
        """Return to a filter (its text is that of ``query``), an order and groups."""
        self._query, self._active_only = query, state.active_only
        self._grouping, self._collapsed = grouping(state.group), set(state.collapsed)
        self._order, self.descending = ORDERS_BY_ID[state.sort], state.descending
        self.rebuild()

    # Marks

    @property
    def marked(self) -> list[Row]:
        """The marked rows, including those that the filter hides."""
        found = (self._store.get(sandbox_id) for sandbox_id in sorted(self.marks))
        return [row for row in found if row is not None]

    @property
    def marks_hidden(self) -> int:
        """The number of marks that the filter hides."""
        if self._hidden is None:
            marks = self.marks
            if len(marks) <= _FEW:
                self._hidden = sum(not self._is_shown(sandbox_id) for sandbox_id in marks)
            else:
                self._hidden = len(marks) - sum(row.id in marks for row in self._shown.rows)
        return self._hidden

    def toggle_mark(self, sandbox_id: str) -> None:
        """Mark or unmark an id."""
        self.marks ^= {sandbox_id}
        self._hidden = None

    def mark(self, sandbox_ids: Iterable[str]) -> None:
        """Mark some ids."""
        self.marks.update(sandbox_ids)
        self._hidden = None

    def mark_all(self) -> None:
        """Mark every visible row."""
        self.mark(row.id for row in self._shown.rows)

    def invert_marks(self) -> None:
        """Invert the marks of the visible rows."""
        self.marks ^= {row.id for row in self._shown.rows}
        self._hidden = None

    def unmark_all(self) -> None:
        """Clear all marks."""
        self.marks.clear()
        self._hidden = None

    # Inside

    def _note(self, change: ChangeSet) -> None:
        self._pending = self._pending.then(change)
        if self.marks:
            self._drop_marks(change)

    def _drop_marks(self, change: ChangeSet) -> None:
        """Clear the marks of what was removed, ended, or is being deleted. A mark on what had ended before stays."""
        over = change.removed & self.marks
        over |= {each for each in change.changed & self.marks if self._just_ended(change.before[each], each)}
        if over:
            self.marks -= over
            self._hidden = None

    def _just_ended(self, before: Row, sandbox_id: str) -> bool:
        now = self._store.get(sandbox_id)
        return not _is_over(before) and (now is None or _is_over(now))

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _is_shown(self, sandbox_id: str) -> bool:
        row = self._pending.before.get(sandbox_id) or self._store.get(sandbox_id)
        return row is not None and self._shown.place(row) is not None

    def _sort(self) -> None:
        self._all = SortedRows.sort(self._order, self._base.rows)
        self._filter()

    def _filter(self) -> None:
        if not self._query and not self._active_only:
            self._shown = self._all
        else:
            self._shown = SortedRows(self._order, self._select(self._all.rows))
        self._lines_changed()

    def _select(self, rows: list[Row]) -> list[Row]:
        rows = self._query.select(rows, self._now()) if self._query else rows
        return [row for row in rows if row.status not in FINISHED_STATUSES] if self._active_only else rows

    def _lines_changed(self) -> None:
        self._hidden = self._unmeasured = self._errors = None
        self._line_places = None
        if self._grouping is None:
            self.groups, self._lines = [], None
            return
        rows = self._shown.rows[::-1] if self.descending else self._shown.rows
        self.groups = make_groups(rows, self._grouping, self._collapsed)
        self._lines = lines_of(self.groups)


def _is_over(row: Row) -> bool:
    return row.sandbox.is_finished or row.deleting_since is not None
