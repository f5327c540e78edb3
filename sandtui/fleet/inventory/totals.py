"""Counts and sums of the fleet, updated row by row so that no screen has to count."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from datetime import datetime
from heapq import heappop, heappush
from typing import TypeVar

from sandtui.client.models import SandboxStatus
from sandtui.fleet.inventory.row import COSTING, NEVER, Row, seconds
from sandtui.leases import LeaseMark

HOUR = 3600.0

_Key = TypeVar("_Key")


class Totals:
    """Counts and sums over the rows of a store. Cores and gigabytes are those of rows that hold them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.cores = 0.0
        self.memory_gb = 0.0
        self.gpus = 0
        self.per_hour = 0.0
        self.priced = 0
        self.unpriced = 0
        self.changing: dict[str, None] = {}
        self.deleting: dict[str, None] = {}
        self.labels: Counter[str] = Counter()
        self.starts: Counter[int] = Counter()
        """Starts in each minute since 1970."""
        self.leases: dict[LeaseMark, dict[str, None]] = {}
        """The ids that live under each lease."""
        self.orphans: dict[str, None] = {}
        self._ends: list[tuple[float, str]] = []
        self._expiring: dict[str, float] = {}
        self._errors: list[tuple[float, str]] = []

    def add(self, row: Row) -> None:
        """Add a row."""
        sandbox = row.sandbox
        self._count(row, 1)
        self.labels.update(sandbox.labels)
        if row.is_changing:
            self.changing[row.id] = None
        if row.deleting_since is not None:
            self.deleting[row.id] = None
        if row.lease is not None and not sandbox.is_finished:
            self.leases.setdefault(row.lease, {})[row.id] = None
        if row.orphaned:
            self.orphans[row.id] = None
        if row.expires != NEVER:
            self._expiring[row.id] = row.expires
            heappush(self._ends, (row.expires, row.id))
        if row.status == SandboxStatus.ERROR:
            insort(self._errors, (row.ended, row.id))

    def drop(self, row: Row) -> None:
        """Subtract a row that was added."""
        self._count(row, -1)
        for label in row.sandbox.labels:
            self.labels[label] -= 1
            if not self.labels[label]:
                del self.labels[label]
        self.changing.pop(row.id, None)
        self.deleting.pop(row.id, None)
        self.orphans.pop(row.id, None)
        if row.lease is not None and (held := self.leases.get(row.lease)) is not None:
            held.pop(row.id, None)
            if not held:
                del self.leases[row.lease]
        self._expiring.pop(row.id, None)
        if row.status == SandboxStatus.ERROR:
            index = bisect_left(self._errors, (row.ended, row.id))
            del self._errors[index]

    @property
    def soonest_expiry(self) -> tuple[float, str] | None:
        """The next expiry, in seconds since 1970, and the id of its sandbox."""
        # Stale entries stay in the heap until they reach its top.
        while self._ends and self._expiring.get(self._ends[0][1]) != self._ends[0][0]:
            heappop(self._ends)
        return self._ends[0] if self._ends else None

    def errors_since(self, moment: datetime, back: float = HOUR) -> int:
        """Return how many failed less than ``back`` seconds before ``moment``: what ``status:error ended<1h`` finds."""
        return len(self._errors) - bisect_right(self._errors, seconds(moment) - back, key=_moment)

    def errors_in_steps(self, moment: datetime, steps: int, back: float = HOUR) -> list[int]:
        """Return :meth:`errors_since` divided into equal steps of time, the oldest first."""
        counts = [self.errors_since(moment, back - step * back / steps) for step in range(steps)]
        return [count - later for count, later in zip(counts, [*counts[1:], 0], strict=True)]

    def _count(self, row: Row, sign: int) -> None:
        sandbox = row.sandbox
        _bump(self.counts, row.status, sign)
        if sandbox.started_at is not None:
            _bump(self.starts, int(seconds(sandbox.started_at)) // 60, sign)
        if sandbox.status in COSTING:
            self.cores += sign * sandbox.cpu_cores
            self.memory_gb += sign * sandbox.memory_gb
            self.gpus += sign * sandbox.gpu_count
            if (price := row.per_hour) is None:
                self.unpriced += sign
            else:
                self.priced += sign
                # What is left when all are gone is rounding.
                self.per_hour = self.per_hour + sign * price if self.priced else 0.0


def _bump(counts: Counter[_Key], key: _Key, by: int) -> None:
    counts[key] += by
    if not counts[key]:
        del counts[key]


def _moment(entry: tuple[float, str]) -> float:
    return entry[0]
