"""The read side: every record in memory, newest last; each change is written through to the store."""

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
    """What a listing asks for; every given part must match."""

    labels: frozenset[str] = frozenset()
    status: str | None = None
    is_active: bool | None = None
    team_id: str | None = None
    user_id: str | None = None

    @property
    def matches_all(self) -> bool:
        """Whether nothing is filtered out."""
        return self == Filter()

    def matches(self, record: SandboxRecord) -> bool:
        """Return whether a record belongs into the listing."""
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
        # Readers see a change only once it is durable; the next change builds on it at once.
        self._unsaved: dict[str, SandboxRecord] = {}
        self._owed: dict[str, SandboxRecord] = {}

    def load(self, records: Iterable[SandboxRecord]) -> None:
        """Take over what is already durable, oldest first."""
        for record in records:
            self._remember(record)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[SandboxRecord]:
        return iter(self._records.values())

    def get(self, sandbox_id: str) -> SandboxRecord | None:
        """Return a record, or None."""
        return self._records.get(sandbox_id)

    def by_idempotency_key(self, key: str) -> SandboxRecord | None:
        """Return what an earlier create with the same key made."""
        found = self._by_key.get(key)
        return None if found is None else self._records[found]

    async def add(self, record: SandboxRecord) -> None:
        """Add a new sandbox. It can be found by its key at once, so that a repeated create never doubles.

        Raises:
            DiskFull: it could not be written down, and is not there.
        """
        self._remember(record)
        try:
            await self._store.save(record)
        except Exception:
            self._drop(record)
            raise

    async def change(self, sandbox_id: str, **changes: Any) -> SandboxRecord:
        """Change a record and return the new one once it is durable.

        Raises:
            DiskFull: it could not be written down; nothing has changed.
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

    def owe(self, sandbox_id: str, **changes: Any) -> SandboxRecord:
        """Change a record for which there is no space on the disk; it is written down as soon as there is."""
        record = dataclasses.replace(self._records[sandbox_id], updated_at=self._clock.now(), **changes)
        self._records[sandbox_id] = self._owed[sandbox_id] = record
        return record

    async def settle(self) -> None:
        """Write down what is owed.

        Raises:
            DiskFull: there is still no space.
        """
        if owed := dict(self._owed):
            await self._store.save(*owed.values())
            for sandbox_id in owed:
                self._owed.pop(sandbox_id, None)

    async def forget(self, sandbox_ids: Iterable[str]) -> None:
        """Forget ended sandboxes for good."""
        ended = [record for key in sandbox_ids if (record := self._records.get(key)) is not None and record.is_finished]
        await self._store.forget(*(record.id for record in ended))
        for record in ended:
            self._drop(record)

    def select(self, wanted: Filter, offset: int, limit: int) -> tuple[list[SandboxRecord], int]:
        """Return one page, newest first, and how many there are in all."""
        newest = reversed(self._records.values())
        if wanted.matches_all:
            total = len(self._records)
            return list(islice(newest, offset, offset + limit)), total
        found = [record for record in newest if wanted.matches(record)]
        return found[offset : offset + limit], len(found)

    def count(self, *statuses: SandboxStatus) -> int:
        """Return how many sandboxes are in one of the states."""
        return sum(record.status in statuses for record in self._records.values())

    def _saved(self, record: SandboxRecord) -> None:
        if self._unsaved.get(record.id) is record:
            del self._unsaved[record.id]

    def _drop(self, record: SandboxRecord) -> None:
        self._records.pop(record.id, None)
        self._owed.pop(record.id, None)
        if record.idempotency_key and self._by_key.get(record.idempotency_key) == record.id:
            del self._by_key[record.idempotency_key]

    def _remember(self, record: SandboxRecord) -> None:
        self._records[record.id] = record
        if record.idempotency_key:
            self._by_key[record.idempotency_key] = record.id
