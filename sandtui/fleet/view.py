"""The part of the fleet that a table shows: filtered, sorted, marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sandtui.fleet.query import EVERYTHING, Query
from sandtui.fleet.store import FleetStore, Row

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)

STATUS_ORDER = ("ERROR", "PENDING", "PROVISIONING", "DELETING", "RUNNING", "PAUSED", "TIMEOUT", "TERMINATED")
"""What needs somebody comes first."""


@dataclass(frozen=True, slots=True)
class SortOrder:
    """A way to order rows; ``descending`` is how it starts."""

    id: str
    title: str
    key: Callable[[Row], object]
    descending: bool = False


def _created(row: Row) -> datetime:
    moment = row.sandbox.created_at or _LONG_AGO
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _expires(row: Row) -> datetime:
    moment = row.sandbox.expires_at or _NEVER
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _status_rank(row: Row) -> tuple[int, str]:
    status = row.status
    return (STATUS_ORDER.index(status) if status in STATUS_ORDER else len(STATUS_ORDER), status)


SORT_ORDERS: tuple[SortOrder, ...] = (
    SortOrder("age", "age", _created, descending=True),
    SortOrder("status", "status", _status_rank),
    SortOrder("name", "name", lambda row: row.sandbox.name.lower()),
    SortOrder("image", "image", lambda row: row.sandbox.docker_image.lower()),
    SortOrder("size", "size", lambda row: (row.sandbox.cpu_cores, row.sandbox.memory_gb), descending=True),
    SortOrder("left", "time left", _expires),
)


class FleetView:
    """The rows that match the query, in order, and the marks.

    ``rows`` is a list that is replaced, never changed in place. Marks are ids and outlive filters.
    """

    def __init__(self, store: FleetStore) -> None:
        self._store = store
        self._order = SORT_ORDERS[0]
        self._places: dict[str, int] | None = None
        self.descending = self._order.descending
        self.query: Query = EVERYTHING
        self.active_only = False
        self.rows: list[Row] = []
        self.marks: set[str] = set()

    @property
    def store(self) -> FleetStore:
        """Where the rows come from."""
        return self._store

    @property
    def order(self) -> SortOrder:
        """The order in use."""
        return self._order

    @property
    def marked(self) -> list[Row]:
        """The rows that are marked, those that the filter hides included."""
        return [row for row in self._store if row.id in self.marks]

    @property
    def marks_hidden(self) -> int:
        """How many marks the filter hides."""
        return sum(self.place(sandbox_id) is None for sandbox_id in self.marks)

    def rebuild(self) -> None:
        """Filter and sort anew; marks of rows that are gone are dropped."""
        matches = self.query.matches
        rows = [row for row in self._store if matches(row) and not (self.active_only and row.sandbox.is_finished)]
        # Equal rows keep one order whichever way the list arrived.
        rows.sort(key=lambda row: row.id)
        rows.sort(key=self._order.key, reverse=self.descending)  # type: ignore[arg-type]
        self.rows = rows
        self._places = None
        if self.marks:
            self.marks = {sandbox_id for sandbox_id in self.marks if sandbox_id in self._store}

    def place(self, sandbox_id: str) -> int | None:
        """Return the position of an id among the rows, or None."""
        if self._places is None:
            self._places = {row.id: place for place, row in enumerate(self.rows)}
        return self._places.get(sandbox_id)

    def sort_by_next(self) -> None:
        """Take the next order, in its natural direction."""
        self._order = SORT_ORDERS[(SORT_ORDERS.index(self._order) + 1) % len(SORT_ORDERS)]
        self.descending = self._order.descending
        self.rebuild()

    def reverse(self) -> None:
        """Turn the order round."""
        self.descending = not self.descending
        self.rebuild()

    def toggle_mark(self, sandbox_id: str) -> None:
        """Mark an id, or unmark it."""
        self.marks ^= {sandbox_id}

    def mark_all(self) -> None:
        """Mark every row that the filter shows."""
        self.marks |= {row.id for row in self.rows}
