"""What the store tells its listeners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandtui.fleet.inventory.row import Row


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The ids that were added, changed and removed by one update of the store.

    ``before`` holds the former versions of rows that were changed or removed.
    """

    added: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    before: Mapping[str, Row] = field(default_factory=dict, compare=False)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def then(self, later: ChangeSet) -> ChangeSet:
        """Return both changes as one."""
        added = (self.added - later.removed) | (later.added - self.removed)
        removed = (self.removed - later.added) | (later.removed - self.added)
        back = (self.removed & later.added) | self.changed | later.changed
        before = {**later.before, **self.before}
        for sandbox_id in self.added:
            before.pop(sandbox_id, None)
        return ChangeSet(added, back - added - removed, removed, before)
