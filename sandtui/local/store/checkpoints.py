"""The records of checkpoints, which outlive their sandboxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sandtui.clock import Clock
from sandtui.local.store.database import Store

_KIND: Final = "checkpoint"


class CheckpointState(StrEnum):
    """The states of a checkpoint."""

    PENDING = "PENDING"
    """Its sandbox is still to be stopped, or stands still."""
    FROZEN = "FROZEN"
    """The sandbox goes on; the copy is not safely on disk yet."""
    DURABLE = "DURABLE"
    FAILED = "FAILED"
    DELETING = "DELETING"


UNFINISHED: Final = frozenset({CheckpointState.PENDING, CheckpointState.FROZEN})


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """One checkpoint. Immutable: a change creates a new record. ``volume_id`` marks one of a volume, not of a root."""

    id: str
    sandbox_id: str
    docker_image: str
    disk_size_gb: float
    created_at: datetime
    updated_at: datetime
    number: int = 0
    """Orders the checkpoints that were taken in the same moment."""
    state: CheckpointState = CheckpointState.PENDING
    parent_id: str | None = None
    depth: int = 0
    team_id: str | None = None
    volume_id: str | None = None
    driver: str = ""
    occupied_bytes: int = 0
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is neither being taken nor being deleted."""
        return self.state in (CheckpointState.DURABLE, CheckpointState.FAILED)

    def to_row(self) -> dict[str, Any]:
        """Return plain values for the store."""
        row = dataclasses.asdict(self)
        return row | {"created_at": self.created_at.isoformat(), "updated_at": self.updated_at.isoformat()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> CheckpointRecord:
        """Return a stored record; fields that this version does not know are ignored."""
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in row.items() if name in known}
        for name in ("created_at", "updated_at"):
            values[name] = datetime.fromisoformat(values[name])
        values["state"] = CheckpointState(values["state"])
        return cls(**values)


class CheckpointRegistry:
    """All checkpoints, oldest first; each change is durable before it can be read."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._records: dict[str, CheckpointRecord] = {}

    def load(self) -> None:
        """Read the stored records."""
        rows = [CheckpointRecord.from_row(row) for row in self._store.documents(_KIND)]
        self._records = {row.id: row for row in sorted(rows, key=lambda row: row.number)}

    def __iter__(self) -> Iterator[CheckpointRecord]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, checkpoint_id: str) -> CheckpointRecord | None:
        """Return a record, or None if it does not exist."""
        return self._records.get(checkpoint_id)

    def of_sandbox(self, sandbox_id: str) -> list[CheckpointRecord]:
        """Return the checkpoints of a sandbox's root, oldest first."""
        return [one for one in self._records.values() if one.sandbox_id == sandbox_id and one.volume_id is None]

    async def add(self, record: CheckpointRecord) -> CheckpointRecord:
        """Add a new checkpoint.

        Raises:
            DiskFull: it could not be stored, and is not added.
        """
        number = max((one.number for one in self._records.values()), default=0) + 1
        record = dataclasses.replace(record, number=number)
        self._records[record.id] = record
        try:
            await self._store.put(_KIND, record.id, record.to_row())
        except BaseException:
            self._records.pop(record.id, None)
            raise
        return record

    async def change(self, checkpoint_id: str, **changes: Any) -> CheckpointRecord:
        """Change a record; return the new one once it is durable.

        Raises:
            DiskFull: it could not be stored; nothing has changed.
        """
        record = dataclasses.replace(self._records[checkpoint_id], updated_at=self._clock.now(), **changes)
        await self._store.put(_KIND, record.id, record.to_row())
        self._records[checkpoint_id] = record
        return record

    def defer(self, checkpoint_id: str, **changes: Any) -> None:
        """Change a record that cannot be stored on a full disk; at the next start it is found unfinished again."""
        record = self._records[checkpoint_id]
        self._records[checkpoint_id] = dataclasses.replace(record, updated_at=self._clock.now(), **changes)

    async def remove(self, checkpoint_id: str) -> None:
        """Remove a record."""
        await self._store.remove(_KIND, checkpoint_id)
        self._records.pop(checkpoint_id, None)
