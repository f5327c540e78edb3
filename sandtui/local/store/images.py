"""The records of images and their builds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sandtui.local.settings import USER_ID
from sandtui.local.store.database import Store

_KIND: Final = "image"
_TIMES: Final = ("created_at", "started_at", "completed_at")


class ImageStatus(StrEnum):
    """The states of a build."""

    PENDING = "PENDING"
    UPLOADING = "UPLOADING"
    """Its context is being received, or was received and the build is not started yet."""
    BUILDING = "BUILDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


UNFINISHED_BUILDS: Final = frozenset({ImageStatus.PENDING, ImageStatus.UPLOADING, ImageStatus.BUILDING})


@dataclass(frozen=True, slots=True)
class ImageName:
    """Names an image: ``owner`` is ``personal``, ``platform`` or the id of a team after ``team-``."""

    owner: str
    name: str
    tag: str

    @property
    def team_id(self) -> str | None:
        """The team that it belongs to, or None."""
        return self.owner.removeprefix("team-") if self.owner.startswith("team-") else None

    @property
    def owner_type(self) -> str:
        """The owner as the API names it."""
        return "team" if self.team_id is not None else self.owner

    def __str__(self) -> str:
        if self.owner == "platform":
            return f"{self.name}:{self.tag}"
        return f"prime/{USER_ID if self.owner == 'personal' else self.owner}/{self.name}:{self.tag}"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One build and the image it made. Immutable: a change creates a new record."""

    id: str
    image: ImageName
    created_at: datetime
    status: ImageStatus = ImageStatus.PENDING
    visibility: str = "PRIVATE"
    source_image: str | None = None
    """The image that it is a copy of; None if it is built from a Dockerfile."""
    dockerfile_path: str = "Dockerfile"
    platform: str = "linux/amd64"
    started_at: datetime | None = None
    completed_at: datetime | None = None
    size_bytes: int | None = None
    error: str | None = None
    driver: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether the build has ended."""
        return self.status not in UNFINISHED_BUILDS

    def to_row(self) -> dict[str, Any]:
        """Return plain values for the store."""
        row = dataclasses.asdict(self)
        return row | {name: None if row[name] is None else row[name].isoformat() for name in _TIMES}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> ImageRecord:
        """Return a stored record; fields that this version does not know are ignored."""
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in row.items() if name in known}
        for name in _TIMES:
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        values["image"] = ImageName(**values["image"])
        values["status"] = ImageStatus(values["status"])
        return cls(**values)


class ImageRegistry:
    """All images and builds, oldest first; each change is durable before it can be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[str, ImageRecord] = {}

    def load(self) -> None:
        """Read the stored records."""
        rows = [ImageRecord.from_row(row) for row in self._store.documents(_KIND)]
        self._records = {row.id: row for row in sorted(rows, key=lambda row: (row.created_at, row.id))}

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, build_id: str) -> ImageRecord | None:
        """Return a record, or None if it does not exist."""
        return self._records.get(build_id)

    def named(self, image: ImageName) -> list[ImageRecord]:
        """Return the builds of a name, oldest first."""
        return [one for one in self._records.values() if one.image == image]

    async def put(self, record: ImageRecord) -> ImageRecord:
        """Add or change a record.

        Raises:
            DiskFull: it could not be stored; nothing has changed.
        """
        before = self._records.get(record.id)
        if before is None:
            self._records[record.id] = record  # its name is taken at once
        try:
            await self._store.put(_KIND, record.id, record.to_row())
        except BaseException:
            if before is None:
                self._records.pop(record.id, None)
            raise
        self._records[record.id] = record
        return record

    def defer(self, record: ImageRecord) -> None:
        """Change a record that cannot be stored on a full disk; at the next start it is found unfinished again."""
        self._records[record.id] = record

    async def remove(self, build_id: str) -> None:
        """Remove a record."""
        await self._store.remove(_KIND, build_id)
        self._records.pop(build_id, None)
