"""The sandboxes that are known, and what changed about them.

The store owns the state; screens only show it. Rules for merging what the platform says (tui.md 2, item 13):
a finished sandbox never comes back to life; a sandbox missing from one complete listing is only marked, and
removed when it is missing again; what was deleted here can't be brought back by a page that was on its way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sandtui.client.models import Sandbox, SandboxStatusRow
from sandtui.client.models.sandbox import CHANGING_STATUSES, FINISHED_STATUSES
from sandtui.fleet.clock import Clock
from sandtui.fleet.events import ChangeSet

TOMBSTONE_SECONDS = 60.0
"""How long a deletion may take before it counts as failed."""

DELETING = "DELETING"
"""The status shown from the moment a deletion is sent until the platform confirms it. Local only."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sandbox as the screens see it.

    ``version`` grows with each change. ``haystack`` is what free text is looked up in, lower-cased.
    ``missing`` counts the complete listings in a row that did not have it.
    """

    sandbox: Sandbox
    version: int
    haystack: str
    missing: int = 0
    deleting_since: float | None = None

    @property
    def id(self) -> str:
        """The sandbox's id."""
        return self.sandbox.id

    @property
    def status(self) -> str:
        """The status to show: the platform's word, or DELETING while a deletion is on its way."""
        if self.deleting_since is not None and not self.sandbox.is_finished:
            return DELETING
        return self.sandbox.status

    @property
    def is_changing(self) -> bool:
        """Whether the status is expected to change by itself soon."""
        return self.status in CHANGING_STATUSES or self.status == DELETING


@dataclass(slots=True)
class _Sweep:
    """The ids seen so far in a listing that is under way."""

    seen: set[str] = field(default_factory=set)


class FleetStore:
    """All rows by id. Every method that changes something returns, and announces, what changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._watchers: list[Callable[[ChangeSet], None]] = []
        self._sweep: _Sweep | None = None
        self._versions = 0
        self.total: int | None = None
        """How many sandboxes the platform says there are, once it has said so."""

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
        """All rows by id; not to be changed."""
        return self._rows

    @property
    def counts(self) -> Counter[str]:
        """How many rows there are of each status."""
        return Counter(row.status for row in self._rows.values())

    @property
    def changing(self) -> list[str]:
        """The ids whose status is expected to change soon."""
        return [row.id for row in self._rows.values() if row.is_changing]

    def watch(self, watcher: Callable[[ChangeSet], None]) -> Callable[[], None]:
        """Call ``watcher`` with every change; return what ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def begin_sweep(self) -> None:
        """Start a complete listing; pages applied until :meth:`end_sweep` belong to it."""
        self._sweep = _Sweep()

    def apply(self, sandboxes: Iterable[Sandbox]) -> ChangeSet:
        """Take what the platform said about some sandboxes."""
        added: set[str] = set()
        changed: set[str] = set()
        for sandbox in sandboxes:
            if self._sweep is not None:
                self._sweep.seen.add(sandbox.id)
            old = self._rows.get(sandbox.id)
            if old is None:
                self._put(sandbox)
                added.add(sandbox.id)
            elif self._is_news(old, sandbox):
                keep_deleting = old.deleting_since if not sandbox.is_finished else None
                self._put(sandbox, deleting_since=keep_deleting)
                changed.add(sandbox.id)
        return self._announce(ChangeSet(frozenset(added), frozenset(changed)))

    def end_sweep(self, total: int | None = None) -> ChangeSet:
        """End a complete listing: what it did not have is marked, and removed the second time."""
        sweep, self._sweep = self._sweep, None
        if sweep is None:
            return ChangeSet()
        self.total = total if total is not None else len(sweep.seen)
        changed: set[str] = set()
        removed: set[str] = set()
        for row in list(self._rows.values()):
            if row.id in sweep.seen:
                continue
            if row.missing:
                del self._rows[row.id]
                removed.add(row.id)
            else:
                self._rows[row.id] = replace(row, missing=row.missing + 1, version=self._next_version())
                changed.add(row.id)
        return self._announce(ChangeSet(frozenset(), frozenset(changed), frozenset(removed)))

    def abandon_sweep(self) -> None:
        """Forget a listing that broke off: it can't say that anything is missing."""
        self._sweep = None

    def apply_statuses(self, rows: Iterable[SandboxStatusRow]) -> ChangeSet:
        """Take statuses, which are less than whole sandboxes, for rows that are known."""
        changed: set[str] = set()
        for status in rows:
            old = self._rows.get(status.sandbox_id)
            if old is None or status.status == old.sandbox.status:
                continue
            update = {
                "status": status.status,
                "error_type": status.error_type or old.sandbox.error_type,
                "error_message": status.error_message or old.sandbox.error_message,
            }
            sandbox = old.sandbox.model_copy(update=update)
            if self._is_news(old, sandbox):
                self._put(sandbox, deleting_since=old.deleting_since)
                changed.add(old.id)
        return self._announce(ChangeSet(frozenset(), frozenset(changed)))

    def mark_deleting(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Show rows as DELETING until the platform confirms."""
        return self._set_deleting(sandbox_ids, self._clock.monotonic())

    def unmark_deleting(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Show rows as they were: their deletion failed."""
        return self._set_deleting(sandbox_ids, None)

    def mark_deleted(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Show rows as TERMINATED: the platform has confirmed their deletion."""
        changed: set[str] = set()
        for sandbox_id in sandbox_ids:
            row = self._rows.get(sandbox_id)
            if row is not None and not row.sandbox.is_finished:
                ended = row.sandbox.model_copy(update={"status": "TERMINATED", "terminated_at": self._clock.now()})
                self._put(ended)
                changed.add(sandbox_id)
        return self._announce(ChangeSet(frozenset(), frozenset(changed)))

    def remove(self, sandbox_ids: Iterable[str]) -> ChangeSet:
        """Forget rows: the platform does not know them any more."""
        removed = {sandbox_id for sandbox_id in sandbox_ids if self._rows.pop(sandbox_id, None) is not None}
        return self._announce(ChangeSet(frozenset(), frozenset(), frozenset(removed)))

    def expire_deletions(self) -> ChangeSet:
        """Stop showing DELETING where the platform has not confirmed it in time."""
        limit = self._clock.monotonic() - TOMBSTONE_SECONDS
        late = [row.id for row in self if row.deleting_since is not None and row.deleting_since < limit]
        return self._set_deleting(late, None)

    def _set_deleting(self, sandbox_ids: Iterable[str], since: float | None) -> ChangeSet:
        changed: set[str] = set()
        for sandbox_id in sandbox_ids:
            row = self._rows.get(sandbox_id)
            if row is not None and not row.sandbox.is_finished and row.deleting_since != since:
                self._rows[sandbox_id] = replace(row, deleting_since=since, version=self._next_version())
                changed.add(sandbox_id)
        return self._announce(ChangeSet(frozenset(), frozenset(changed)))

    @staticmethod
    def _is_news(old: Row, sandbox: Sandbox) -> bool:
        if old.sandbox.is_finished and sandbox.status not in FINISHED_STATUSES:
            return False
        return bool(old.missing) or sandbox != old.sandbox

    def _put(self, sandbox: Sandbox, deleting_since: float | None = None) -> None:
        haystack = "\n".join((sandbox.name, sandbox.id, sandbox.docker_image, *sandbox.labels)).lower()
        self._rows[sandbox.id] = Row(sandbox, self._next_version(), haystack, deleting_since=deleting_since)

    def _next_version(self) -> int:
        self._versions += 1
        return self._versions

    def _announce(self, change: ChangeSet) -> ChangeSet:
        if change:
            for watcher in list(self._watchers):
                watcher(change)
        return change
