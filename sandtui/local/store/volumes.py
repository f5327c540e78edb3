"""The records of volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sandtui.local.store.database import Store

_KIND: Final = "volume"


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """One volume, of a team or of the user. Immutable: a change creates a new record."""

    id: str
    name: str
    created_at: datetime
    user_id: str | None = None
    team_id: str | None = None
    head_checkpoint_id: str | None = None
    """The newest published version; None until the first is published."""

    def to_row(self) -> dict[str, Any]:
        """Return plain values for the store."""
        return dataclasses.asdict(self) | {"created_at": self.created_at.isoformat()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> VolumeRecord:
        """Return a stored record; fields that this version does not know are ignored."""
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in row.items() if name in known}
        return cls(**values | {"created_at": datetime.fromisoformat(values["created_at"])})


class VolumeRegistry:
    """All volumes, oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[str, VolumeRecord] = {}

    def load(self) -> None:
        """Read the stored records."""
        rows = [VolumeRecord.from_row(row) for row in self._store.documents(_KIND)]
        self._records = {row.id: row for row in sorted(rows, key=lambda row: (row.created_at, row.id))}

    def __iter__(self) -> Iterator[VolumeRecord]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, volume_id: str) -> VolumeRecord | None:
        """Return a record by its id, or None."""
        return self._records.get(volume_id)

    def named(self, name: str, team_id: str | None) -> VolumeRecord | None:
        """Return the volume of a name in a scope, or None."""
        return next((one for one in self._records.values() if (one.name, one.team_id) == (name, team_id)), None)

    async def add(self, record: VolumeRecord) -> None:
        """Add a volume; its name is taken at once.

        Raises:
            DiskFull: it could not be stored, and is not added.
        """
        self._records[record.id] = record
        try:
            await self._store.put(_KIND, record.id, record.to_row())
        except BaseException:
            self._records.pop(record.id, None)
            raise

    async def move_head(self, volume_id: str, checkpoint_id: str) -> None:
        """Publish a version; whoever reads the volume sees it once it is stored."""
        record = dataclasses.replace(self._records[volume_id], head_checkpoint_id=checkpoint_id)
        await self._store.put(_KIND, volume_id, record.to_row())
        if volume_id in self._records:
            self._records[volume_id] = record

    async def remove(self, volume_id: str) -> None:
        """Remove a volume; nothing finds it any more at once."""
        self._records.pop(volume_id, None)
        await self._store.remove(_KIND, volume_id)
