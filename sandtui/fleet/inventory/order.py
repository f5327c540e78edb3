"""Ways to order rows, and lists that stay ordered as rows change."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sandtui.fleet.fields import COLUMNS
from sandtui.fleet.inventory.row import Row


@dataclass(frozen=True, slots=True)
class SortOrder:
    """A way to order rows; ``descending`` is how it starts. Its id is that of the column that it belongs to.

    ``mirrored`` says that what the column shows falls as the key rises.
    """

    id: str
    title: str
    key: Callable[[Row], Any]
    descending: bool = False
    mirrored: bool = False


SORT_ORDERS: tuple[SortOrder, ...] = tuple(
    SortOrder(column.id, column.sort_title or column.heading.lower(), column.sort, column.descending, column.mirrored)
    for column in COLUMNS
)
"""One for each column, in the order of the columns."""

ORDERS_BY_ID = {order.id: order for order in SORT_ORDERS}

BY_ID = ORDERS_BY_ID["id"]
BY_AGE = ORDERS_BY_ID["age"]
_recency = attrgetter("recency")
BY_RECENCY = SortOrder("recency", "recency", _recency)


def newest_first(rows: Iterable[Row]) -> tuple[list[Row], bool]:
    """Return rows by age, newest first and then by id, and whether no two are of the same age.

    That is the base of all other orders. It looks at the rows in the order in which they came, in which they lie in
    memory: to walk through 100,000 sorted ones takes longer than to sort them.
    """
    found = list(rows)
    keys = list(map(_recency, found))
    unique = len(set(keys)) == len(keys)
    found.sort(key=_recency)
    if unique:
        return found, True
    keys.sort()
    done = 0
    for place in range(len(keys) - 1):
        if place >= done and keys[place] == keys[place + 1]:
            done = bisect_right(keys, keys[place], place)
            found[place:done] = sorted(found[place:done], key=BY_ID.key)
    return found, False


_Runs = dict[Any, tuple[int, int]]


class SortedRows:
    """Rows in ascending order, then by age and id. ``rows`` is read-only."""

    __slots__ = ("_key", "rows")

    def __init__(self, order: SortOrder, rows: list[Row]) -> None:
        self._key = order.key
        self.rows = rows

    @classmethod
    def sort(cls, order: SortOrder, base: Iterable[Row]) -> SortedRows:
        """Sort rows that are newest first: the sort is stable, so ties stay so."""
        return cls(order, sorted(base, key=order.key))

    def place(self, row: Row) -> int | None:
        """Return the position of a row, or None; a row of the same id and key counts as the same."""
        place = self._find(row, {})
        return place if place < len(self.rows) and self.rows[place].id == row.id else None

    def swap(self, old: Iterable[Row], new: Iterable[Row]) -> None:
        """Remove ``old`` rows and insert ``new`` ones in one pass over the list."""
        rows, key = self.rows, self._key
        runs: _Runs = {}
        coming = {row.id: row for row in new}
        edits: list[tuple[int, int, Row | None]] = []
        for row in old:
            place = self._find(row, runs)
            if place == len(rows) or rows[place].id != row.id:
                continue
            successor = coming.get(row.id)
            if successor is not None and key(successor) == key(row) and successor.recency == row.recency:
                rows[place] = successor
                del coming[row.id]
            else:
                edits.append((place, 1, None))
        if not edits and not coming:
            return
        arriving = sorted(coming.values(), key=lambda row: (key(row), row.recency, row.id))
        edits += [(self._find(row, runs), 0, row) for row in arriving]
        # An insertion goes before the row at its index, whether that is removed or stays; insertions keep their order.
        edits.sort(key=lambda edit: edit[:2])
        merged: list[Row] = []
        start = 0
        for place, gone, arrival in edits:
            merged += rows[start:place]
            if arrival is not None:
                merged.append(arrival)
            start = place + gone
        merged += rows[start:]
        self.rows = merged

    def _find(self, row: Row, runs: _Runs) -> int:
        """Return the index of a row, or where it would go. ``runs`` caches the range of each key."""
        rows, wanted = self.rows, self._key(row)
        run = runs.get(wanted)
        if run is None:
            first = bisect_left(rows, wanted, key=self._key)
            end = first
            if first < len(rows) and self._key(rows[first]) == wanted:
                alone = first + 1 == len(rows) or self._key(rows[first + 1]) != wanted
                end = first + 1 if alone else bisect_right(rows, wanted, first, key=self._key)
            run = runs[wanted] = (first, end)
        place, end = run
        if end - place > 1:
            place = bisect_left(rows, row.recency, place, end, key=_recency)
        while place < end and (rows[place].recency, rows[place].id) < (row.recency, row.id):
            place += 1
        return place
