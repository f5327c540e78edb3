"""Ways to order rows, and lists that stay ordered as rows change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sandtui.fleet.row import Row

STATUS_ORDER = ("ERROR", "PENDING", "PROVISIONING", "DELETING", "RUNNING", "PAUSED", "TIMEOUT", "TERMINATED")
"""What needs somebody comes first."""

_RANKS = {status: rank for rank, status in enumerate(STATUS_ORDER)}


@dataclass(frozen=True, slots=True)
class SortOrder:
    """A way to order rows; ``descending`` is how it starts. Its id is that of the column it belongs to."""

    id: str
    title: str
    key: Callable[[Row], Any]
    descending: bool = False


def _status_rank(row: Row) -> tuple[int, str]:
    status = row.status
    return (_RANKS.get(status, len(STATUS_ORDER)), status)


SORT_ORDERS: tuple[SortOrder, ...] = (
    SortOrder("age", "age", attrgetter("created"), descending=True),
    SortOrder("status", "status", _status_rank),
    SortOrder("name", "name", attrgetter("name_key")),
    SortOrder("image", "image", lambda row: row.sandbox.docker_image.lower()),
    SortOrder("size", "size", lambda row: (row.sandbox.cpu_cores, row.sandbox.memory_gb), descending=True),
    SortOrder("labels", "labels", lambda row: [label.lower() for label in row.sandbox.labels]),
    SortOrder("left", "time left", attrgetter("expires")),
    SortOrder("id", "id", attrgetter("id")),
    SortOrder("gpu", "GPUs", lambda row: (row.sandbox.gpu_count, row.sandbox.gpu_type or ""), descending=True),
    SortOrder("disk", "disk", lambda row: row.sandbox.disk_size_gb, descending=True),
    SortOrder("region", "region", lambda row: row.sandbox.region or ""),
    SortOrder("user", "user", lambda row: row.sandbox.user_id or ""),
    SortOrder("team", "team", lambda row: row.sandbox.team_id or ""),
    SortOrder("reason", "reason", lambda row: row.sandbox.error_type or ""),
)

ORDERS_BY_ID = {order.id: order for order in SORT_ORDERS}

BY_ID = ORDERS_BY_ID["id"]


class SortedRows:
    """Rows in ascending order, equal ones by id. ``rows`` is not to be changed from outside."""

    __slots__ = ("_key", "_primary", "rows")

    def __init__(self, order: SortOrder, rows: list[Row]) -> None:
        self._primary = order.key
        primary = order.key
        self._key: Callable[[Row], Any] = order.key if order.id == "id" else lambda row: (primary(row), row.id)
        self.rows = rows

    @classmethod
    def sort(cls, order: SortOrder, by_id: Sequence[Row]) -> SortedRows:
        """Sort rows that are in the order of their ids: the sort is stable, so equal ones stay so."""
        return cls(order, sorted(by_id, key=order.key))

    def place(self, row: Row) -> int | None:
        """Return the position of a row, or None; a row of the same id and key counts as the same."""
        place = bisect_left(self.rows, self._key(row), key=self._key)
        return place if place < len(self.rows) and self.rows[place].id == row.id else None

    def swap(self, old: Iterable[Row], new: Iterable[Row]) -> None:
        """Take ``old`` out, where they are here, and ``new`` in: a few changes in one pass over the list."""
        rows, key = self.rows, self._key
        coming = {row.id: row for row in new}
        leaving: list[int] = []
        for row in old:
            place = self.place(row)
            if place is None:
                continue
            successor = coming.get(row.id)
            if successor is not None and key(successor) == key(row):
                rows[place] = successor
                del coming[row.id]
            else:
                leaving.append(place)
        if not leaving and not coming:
            return
        arriving = sorted(coming.values(), key=key)
        edits: list[tuple[int, int, Row | None]] = [(place, 1, None) for place in leaving]
        edits += [(bisect_left(rows, key(row), key=key), 0, row) for row in arriving]
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
