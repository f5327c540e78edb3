"""The records of LAN networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sandtui.local.network.lan import ANYONE, TAG
from sandtui.local.store.database import Store

_KIND: Final = "network"


@dataclass(frozen=True, slots=True)
class StoredRule:
    """Members that ``source`` selects may connect to those that ``target`` selects, on some ports or all."""

    source: str
    target: str
    ports: tuple[int, ...] | None = None

    def leads_to(self, tags: tuple[str, ...]) -> bool:
        """Whether a member with these tags is a target."""
        return self.target == ANYONE or self.target.removeprefix(TAG) in tags


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A sandbox in a network; it has the same address in all its networks."""

    sandbox_id: str
    address: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """One network, of a team or of the user. Immutable: a change creates a new record."""

    id: str
    name: str
    created_at: datetime
    team_id: str | None = None
    version: int = 1
    """How many times its rules or members were set, including at creation."""
    rules: tuple[StoredRule, ...] = ()
    members: tuple[StoredMember, ...] = ()
    published: dict[str, int] = field(default_factory=dict)
    """This machine's port for each ``SANDBOX_ID:PORT`` that a rule publishes."""

    def member(self, sandbox_id: str) -> StoredMember | None:
        """Return a member, or None if the sandbox is not one."""
        return next((member for member in self.members if member.sandbox_id == sandbox_id), None)

    def to_row(self) -> dict[str, Any]:
        """Return plain values for the store."""
        return dataclasses.asdict(self) | {"created_at": self.created_at.isoformat()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> NetworkRecord:
        """Return a stored record; fields that this version does not know are ignored."""
        known = {each.name for each in dataclasses.fields(cls)}
        values = {name: value for name, value in row.items() if name in known}
        rules = (
            StoredRule(each["source"], each["target"], None if each["ports"] is None else tuple(each["ports"]))
            for each in values["rules"]
        )
        members = (StoredMember(each["sandbox_id"], each["address"], tuple(each["tags"])) for each in values["members"])
        return cls(
            **values
            | {
                "created_at": datetime.fromisoformat(values["created_at"]),
                "rules": tuple(rules),
                "members": tuple(members),
            }
        )


class NetworkRegistry:
    """All networks, oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[str, NetworkRecord] = {}

    def load(self) -> None:
        """Read the stored records."""
        rows = [NetworkRecord.from_row(row) for row in self._store.documents(_KIND)]
        self._records = {row.id: row for row in sorted(rows, key=lambda row: (row.created_at, row.id))}

    def __iter__(self) -> Iterator[NetworkRecord]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, network_id: str) -> NetworkRecord | None:
        """Return a record by its id, or None."""
        return self._records.get(network_id)

    def named(self, name: str, team_id: str | None) -> NetworkRecord | None:
        """Return the network of a name in a scope, or None."""
        return next((one for one in self._records.values() if (one.name, one.team_id) == (name, team_id)), None)

    async def add(self, record: NetworkRecord) -> None:
        """Add a network; its name is taken at once.

        Raises:
            DiskFull: it could not be stored, and is not added.
        """
        self._records[record.id] = record
        try:
            await self._store.put(_KIND, record.id, record.to_row())
        except BaseException:
            self._records.pop(record.id, None)
            raise

    async def change(self, record: NetworkRecord) -> None:
        """Replace a record; whoever reads it sees the change once it is stored. One change of a network at a time.

        Raises:
            DiskFull: it could not be stored; nothing has changed.
        """
        await self._store.put(_KIND, record.id, record.to_row())
        self.replace(record)

    def replace(self, record: NetworkRecord) -> None:
        """Replace a record in memory only, unless it was removed."""
        if record.id in self._records:
            self._records[record.id] = record

    async def remove(self, network_id: str) -> None:
        """Remove a network; nothing finds it any more at once."""
        self._records.pop(network_id, None)
        await self._store.remove(_KIND, network_id)
