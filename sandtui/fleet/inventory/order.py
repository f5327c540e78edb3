"""Ways to order rows, and lists that stay ordered as rows change."""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any

from sandtui.fleet.inventory.row import Row


@dataclass(frozen=True, slots=True)
class SortOrder:
    """A way to order rows; ``descending`` is how it starts. Its id is that of the column it belongs to.

    ``mirrored`` says that the column shows less where the key is greater: an age falls as the time of creation rises.
    """

    id: str
    title: str
    key: Callable[[Row], Any]
    descending: bool = False
    mirrored: bool = False

    @classmethod
    def of(
        cls, order_id: str, title: str, attribute: str, *, descending: bool = False, mirrored: bool = False
    ) -> SortOrder:
        """Return the order by an attribute of the row: such orders are looked through without our code."""
        return cls(order_id, title, attrgetter(attribute), descending, mirrored)


def _or_less(share: float | None) -> float:
    """Put what nobody measured below all that was."""
    return -1.0 if share is None else share


SORT_ORDERS: tuple[SortOrder, ...] = (
    SortOrder.of("age", "age", "created", descending=True, mirrored=True),
    SortOrder.of("status", "status", "status_key"),
    SortOrder.of("name", "name", "name_key"),
    SortOrder("image", "image", lambda row: row.sandbox.docker_image.lower()),
    SortOrder("size", "size", lambda row: row.sandbox.cpu_cores * 1e6 + row.sandbox.memory_gb, descending=True),
    SortOrder("labels", "labels", lambda row: "\n".join(row.sandbox.labels).lower()),
    SortOrder.of("left", "time left", "expires"),
    SortOrder.of("id", "id", "id"),
    SortOrder("gpu", "GPUs", lambda row: f"{row.sandbox.gpu_count:04}{row.sandbox.gpu_type or ''}", descending=True),
    SortOrder("disk", "disk", lambda row: row.sandbox.disk_size_gb, descending=True),
    SortOrder("region", "region", lambda row: row.sandbox.region or ""),
    SortOrder("user", "user", lambda row: row.sandbox.user_id or ""),
    SortOrder("team", "team", lambda row: row.sandbox.team_id or ""),
    SortOrder("reason", "reason", lambda row: row.reason.lower()),
    SortOrder("used", "cores used", lambda row: _or_less(row.used), descending=True),
    SortOrder("memused", "memory used", lambda row: _or_less(row.memory_used), descending=True),
)

ORDERS_BY_ID = {order.id: order for order in SORT_ORDERS}

BY_ID = ORDERS_BY_ID["id"]
BY_RECENCY = SortOrder.of("recency", "recency", "recency")
_recency = attrgetter("recency")


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """Return rows by age, the newest first and equally old ones by id: the base that other orders are made from."""
    found = sorted(rows, key=_recency)
    keys = list(map(_recency, found))
    if not any(map(operator.eq, keys, islice(keys, 1, None))):
        return found
    done = 0
    for place in range(len(keys) - 1):
        if place >= done and keys[place] == keys[place + 1]:
            done = bisect_right(keys, keys[place], place)
            found[place:done] = sorted(found[place:done], key=BY_ID.key)
    return found


_Runs = dict[Any, tuple[int, int]]


class SortedRows:
    """Rows in ascending order, equal ones by age and id. ``rows`` is not to be changed from outside."""

    __slots__ = ("_key", "rows")

    def __init__(self, order: SortOrder, rows: list[Row]) -> None:
        self._key = order.key
        self.rows = rows

    @classmethod
    def sort(cls, order: SortOrder, base: Iterable[Row]) -> SortedRows:
        """Sort rows that come newest first: the sort is stable, so equal ones stay so."""
        return cls(order, sorted(base, key=order.key))

    def place(self, row: Row) -> int | None:
        """Return the position of a row, or None; a row of the same id and key counts as the same."""
        place = self._find(row, {})
        return place if place < len(self.rows) and self.rows[place].id == row.id else None

    def swap(self, old: Iterable[Row], new: Iterable[Row]) -> None:
        """Take ``old`` out, where they are here, and ``new`` in: a few changes in one pass over the list."""
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
        # An arrival goes before the row at its place, whether that one leaves or stays; arrivals keep their order.
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
        """Return where a row is or would go. ``runs`` remembers where the rows of each key are."""
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
