"""The known sandboxes, and what changed about them.

The store owns the state; screens only show it. Rules for merging what the platform returns: a finished sandbox never
becomes active again; a sandbox missing from one complete listing is only marked, and removed when it is missing again;
a page that was requested before a deletion does not bring the sandbox back. Measured usage lasts as long as the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from sandtui.client.models import Sandbox, SandboxStatusRow
from sandtui.client.models.sandbox import FINISHED_STATUSES
from sandtui.clock import Clock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.row import DELETING, Row
from sandtui.fleet.inventory.totals import Totals
from sandtui.fleet.inventory.usage import Sample, UsageHistory, measured
from sandtui.leases import LeaseMark, mark_of

__all__ = ["DELETING", "TOMBSTONE_SECONDS", "FleetStore", "Row"]

TOMBSTONE_SECONDS = 60.0
"""How long a deletion may take before it counts as failed."""


class FleetStore:
    """All rows by id. Every method that changes something returns the change and tells the listeners."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._watchers: list[Callable[[ChangeSet], None]] = []
        self._seen: set[str] | None = None
        self._versions = 0
        self._before: dict[str, Row] = {}
        self._gone: dict[LeaseMark, str] = {}
        self._billed: dict[str, float] = {}
        self.totals = Totals()
        self.usage = UsageHistory()
        self.total: int | None = None
        """The platform's own count of sandboxes, once known."""

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __contains__(self, sandbox_id: object) -> bool:
        return sandbox_id in self._rows

    def get(self, sandbox_id: str) -> Row | None:
        """Return the row of an id, or None."""
        return self._rows.get(sandbox_id)

    @property
    def rows(self) -> Mapping[str, Row]:
        """All rows by id; read-only."""
        return self._rows

    @property
    def counts(self) -> Counter[str]:
        """The number of rows of each status; read-only."""
        return self.totals.counts

    @property
    def changing(self) -> list[str]:
        """The ids whose status is expected to change soon."""
        return list(self.totals.changing)

    def watch(self, watcher: Callable[[ChangeSet], None]) -> Callable[[], None]:
        """Call ``watcher`` with every change; return a function that ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def begin_sweep(self) -> None:
        """Start a complete listing; pages applied until :meth:`end_sweep` belong to it."""
        self._seen = set()

    def apply(self, sandboxes: Iterable[Sandbox]) -> ChangeSet:
        """Merge sandboxes as the platform returned them."""
        added: set[str] = set()
        changed: set[str] = set()
        for sandbox in sandboxes:
            if self._seen is not None:
                self._seen.add(sandbox.id)
            old = self._rows.get(sandbox.id)
            if old is None:
                self._put(Row.of(sandbox, self._next_version(), orphaned=self._gone_of(sandbox)))
                added.add(sandbox.id)
            elif self._is_news(old, sandbox):
                keep_deleting = old.deleting_since if not sandbox.is_finished else None
                self._put(Row.of(sandbox, self._next_version(), 0, keep_deleting, old.measured, self._gone_of(sandbox)))
                changed.add(sandbox.id)
        return self._announce(added, changed - added)

    def end_sweep(self, total: int | None = None) -> ChangeSet:
        """End a complete listing: what it lacks is marked, and removed the second time."""
        seen, self._seen = self._seen, None
        if seen is None:
            return ChangeSet()
        self.total = total if total is not None else len(seen)
        changed: set[str] = set()
        removed: set[str] = set()
        for sandbox_id in self._rows.keys() - seen:
            row = self._rows[sandbox_id]
            if row.missing:
                self._drop(row)
                removed.add(sandbox_id)
            else:
                self._put(row.again(self._next_version(), missing=row.missing + 1, deleting_since=row.deleting_since))
                changed.add(sandbox_id)
        return self._announce((), changed, removed)

    def end_partial_sweep(self, expected: Iterable[str]) -> list[str]:
        """End a listing of a part of the fleet; return those of the expected ids that it did not have."""
        seen, self._seen = self._seen, None
        return [] if seen is None else [sandbox_id for sandbox_id in expected if sandbox_id not in seen]

    def abandon_sweep(self) -> None:
        """Forget a listing that broke off: it can't say that anything is missing."""
        self._seen = None

    def apply_statuses(self, rows: Iterable[SandboxStatusRow]) -> ChangeSet:
        """Take statuses, which are less than whole sandboxes, for rows that are known."""
        changed: set[str] = set()
        for status in rows:
            old = self._rows.get(status.sandbox_id)
            if old is None or status.status == old.sandbox.status:
                continue
            update: dict[str, object] = {
                "status": status.status,
                "error_type": status.error_type or old.sandbox.error_type,
                "error_message": status.error_message or old.sandbox.error_message,
            }
            if status.status in FINISHED_STATUSES and old.sandbox.terminated_at is None:
                # A status comes without the time; it ended between two looks, and the next listing says when.
                update["terminated_at"] = self._clock.now()
            sandbox = old.sandbox.model_copy(update=update)
            if self._is_news(old, sandbox):
                self._put(Row.of(sandbox, self._next_version(), 0, old.deleting_since, old.measured, old.orphaned))
                changed.add(old.id)
        return self._announce((), changed)

    def measure(self, sandbox_id: str, sample: Sample) -> ChangeSet:
        """Store the usage that a sample shows; an empty sample changes nothing."""
        row = self._rows.get(sandbox_id)
        found = None if row is None else measured(sample, row.sandbox.started_at, self._clock.now())
        if row is None or found is None:
            return ChangeSet()
        self.usage.add(sandbox_id, sample)
        self._put(Row.of(row.sandbox, self._next_version(), row.missing, row.deleting_since, found, row.orphaned))
        return self._announce((), {sandbox_id})

    def set_orphans(self, gone: Mapping[LeaseMark, str]) -> ChangeSet:
        """Note which leases have no owner any more, and why; the rows of all others are not orphaned."""
        before, self._gone = self._gone, dict(gone)
        changed: set[str] = set()
        for mark in before.keys() | gone.keys():
            for sandbox_id in list(self.totals.leases.get(mark, ())):
                row, why = self._rows[sandbox_id], self._gone.get(mark, "")
                # How long it has been silent is no news.
                if bool(row.orphaned) != bool(why):
                    self._put(
                        Row.of(row.sandbox, self._next_version(), row.missing, row.deleting_since, row.measured, why)
                    )
                    changed.add(sandbox_id)
        return self._announce((), changed)

    def set_billed(self, amounts: Mapping[str, float]) -> ChangeSet:
        """Store what the platform has billed, in dollars by id."""
        before, self._billed = self._billed, dict(amounts)
        changed = {
            sandbox_id
            for sandbox_id in before.keys() | amounts.keys()
            if before.get(sandbox_id) != amounts.get(sandbox_id) and sandbox_id in self._rows
        }
        for sandbox_id in changed:
            row = self._rows[sandbox_id]
            self._put(row.again(self._next_version(), missing=row.missing, deleting_since=row.deleting_since))
        return self._announce((), changed)

    def mark_deleting(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Show rows as DELETING until the platform confirms."""
        return self._set_deleting(sandbox_ids, self._clock.monotonic())

    def unmark_deleting(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Show rows as before: their deletion failed."""
        return self._set_deleting(sandbox_ids, None)

    def mark_deleted(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Show rows as TERMINATED: the platform has confirmed their deletion."""
        changed: set[str] = set()
        for sandbox_id in sandbox_ids:
            row = self._rows.get(sandbox_id)
            if row is not None and not row.sandbox.is_finished:
                ended = row.sandbox.model_copy(update={"status": "TERMINATED", "terminated_at": self._clock.now()})
                self._put(Row.of(ended, self._next_version(), measured=row.measured))
                changed.add(sandbox_id)
        return self._announce((), changed)

    def remove(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Remove rows that no longer exist on the platform."""
        removed: set[str] = set()
        for sandbox_id in sandbox_ids:
            row = self._rows.get(sandbox_id)
            if row is not None:
                self._drop(row)
                removed.add(sandbox_id)
        return self._announce((), (), removed)

    def expire_deletions(self) -> ChangeSet:
        """Stop showing DELETING where the platform has not confirmed it in time."""
        limit = self._clock.monotonic() - TOMBSTONE_SECONDS
        rows = [self._rows[sandbox_id] for sandbox_id in self.totals.deleting]
        return self._set_deleting([row.id for row in rows if (row.deleting_since or 0) < limit], None)

    def _set_deleting(self, sandbox_ids: Iterable[str], since: float | None) -> ChangeSet:
        changed: set[str] = set()
        for sandbox_id in sandbox_ids:
            row = self._rows.get(sandbox_id)
            if row is not None and not row.sandbox.is_finished and row.deleting_since != since:
                self._put(row.again(self._next_version(), missing=row.missing, deleting_since=since))
                changed.add(sandbox_id)
        return self._announce((), changed)

    @staticmethod
    def _is_news(old: Row, sandbox: Sandbox) -> bool:
        if old.sandbox.status in FINISHED_STATUSES and sandbox.status not in FINISHED_STATUSES:
            return False
        return bool(old.missing) or sandbox != old.sandbox

    def _gone_of(self, sandbox: Sandbox) -> str:
        mark = mark_of(sandbox.labels) if self._gone else None
        return self._gone.get(mark, "") if mark is not None else ""

    def _put(self, row: Row) -> None:
        row.billed = self._billed.get(row.id)
        old = self._rows.get(row.id)
        if old is not None:
            self._before.setdefault(row.id, old)
            self.totals.drop(old)
        self._rows[row.id] = row
        self.totals.add(row)

    def _drop(self, row: Row) -> None:
        self._before.setdefault(row.id, row)
        self.totals.drop(row)
        del self._rows[row.id]

    def _next_version(self) -> int:
        self._versions += 1
        return self._versions

    def _announce(self, added: Collection[str], changed: Collection[str], removed: Collection[str] = ()) -> ChangeSet:
        before, self._before = self._before, {}
        for sandbox_id in added:
            before.pop(sandbox_id, None)
        change = ChangeSet(frozenset(added), frozenset(changed), frozenset(removed), before)
        if change:
            for watcher in list(self._watchers):
                watcher(change)
        return change
