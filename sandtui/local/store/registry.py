"""The records in memory, oldest first; each change is written to the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sandtui.client.models import SandboxStatus
from sandtui.clock import Clock
from sandtui.local.store.database import Store
from sandtui.local.store.records import SandboxRecord


@dataclass(frozen=True)
class Filter:
    """The conditions of a listing; all that are set must match."""

    labels: frozenset[str] = frozenset()
    status: str | None = None
    is_active: bool | None = None
    team_id: str | None = None
    user_id: str | None = None

    @property
    def matches_all(self) -> bool:
        """Whether no condition is set."""
        return self == Filter()

    def matches(self, record: SandboxRecord) -> bool:
        """Return whether a record matches."""
        return (
            (self.status is None or record.status == self.status)
            and (self.is_active is not True or not record.is_finished)
            and (self.team_id is None or record.team_id == self.team_id)
            and (self.user_id is None or record.user_id == self.user_id)
            and (not self.labels or self.labels.issubset(record.labels))
        )


class Registry:
    """All sandboxes of the platform."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._records: dict[str, SandboxRecord] = {}
        self._by_key: dict[str, str] = {}
        # Readers see a change only once it is durable; the next change is based on it at once.
        self._unsaved: dict[str, SandboxRecord] = {}
        self._deferred: dict[str, SandboxRecord] = {}

    def load(self, records: Iterable[SandboxRecord]) -> None:
        """Add stored records, oldest first."""
        for record in records:
            self._remember(record)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[SandboxRecord]:
        return iter(self._records.values())

    def get(self, sandbox_id: str) -> SandboxRecord | None:
        """Return a record, or None if it does not exist."""
        return self._records.get(sandbox_id)

    def by_idempotency_key(self, key: str) -> SandboxRecord | None:
        """Return the record that an earlier request with the same key created, or None."""
        found = self._by_key.get(key)
        return None if found is None else self._records[found]

    async def add(self, record: SandboxRecord) -> None:
        """Add a new sandbox. It can be found by its key at once, so that a repeated request creates no second one.

        Raises:
            DiskFull: it could not be stored, and is not added.
        """
        self._remember(record)
        try:
            await self._store.save(record)
        except Exception:
            self._drop(record)
            raise

    async def change(self, sandbox_id: str, **changes: Any) -> SandboxRecord:
        """Change a record; return the new one once it is durable.

        Raises:
            DiskFull: it could not be stored; nothing has changed.
        """
        latest = self._unsaved.get(sandbox_id) or self._records[sandbox_id]
        record = dataclasses.replace(latest, updated_at=self._clock.now(), **changes)
        self._unsaved[sandbox_id] = record
        try:
            await self._store.save(record)
            self._records[sandbox_id] = record
        except Exception:
            self._saved(record)
            raise
        self._saved(record)
        return record

    def defer(self, sandbox_id: str, **changes: Any) -> SandboxRecord:
        """Change a record that cannot be stored on a full disk; it is stored once there is space."""
        record = dataclasses.replace(self._records[sandbox_id], updated_at=self._clock.now(), **changes)
        self._records[sandbox_id] = self._deferred[sandbox_id] = record
        return record

    async def store_deferred(self) -> None:
        """Store deferred changes.

        Raises:
            DiskFull: there is still no space.
        """
        if deferred := dict(self._deferred):
            await self._store.save(*deferred.values())
            for sandbox_id in deferred:
                self._deferred.pop(sandbox_id, None)

    async def forget(self, sandbox_ids: Iterable[str]) -> None:
        """Remove ended sandboxes permanently."""
        ended = [record for key in sandbox_ids if (record := self._records.get(key)) is not None and record.is_finished]
        await self._store.forget(*(record.id for record in ended))
        for record in ended:
            self._drop(record)

    def select(self, wanted: Filter, offset: int, limit: int) -> tuple[list[SandboxRecord], int]:
        """Return one page, newest first, and the total number of matches."""
        newest = reversed(self._records.values())
        if wanted.matches_all:
            total = len(self._records)
            return list(islice(newest, offset, offset + limit)), total
        found = [record for record in newest if wanted.matches(record)]
        return found[offset : offset + limit], len(found)

    def count(self, *statuses: SandboxStatus) -> int:
        """Return the number of sandboxes with one of the statuses."""
        return sum(record.status in statuses for record in self._records.values())

    def _saved(self, record: SandboxRecord) -> None:
        if self._unsaved.get(record.id) is record:
            del self._unsaved[record.id]

    def _drop(self, record: SandboxRecord) -> None:
        self._records.pop(record.id, None)
        self._deferred.pop(record.id, None)
        if record.idempotency_key and self._by_key.get(record.idempotency_key) == record.id:
            del self._by_key[record.idempotency_key]

    def _remember(self, record: SandboxRecord) -> None:
        self._records[record.id] = record
        if record.idempotency_key:
            self._by_key[record.idempotency_key] = record.id
