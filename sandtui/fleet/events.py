"""What the store tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The ids that came, changed and went with one update of the store."""

    added: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def then(self, later: ChangeSet) -> ChangeSet:
        """Return both changes as one, as seen by somebody who saw neither yet."""
        added = (self.added - later.removed) | (later.added - self.removed)
        removed = (self.removed - later.added) | (later.removed - self.added)
        back = (self.removed & later.added) | self.changed | later.changed
        return ChangeSet(added, back - added - removed, removed)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status that was seen in this session."""

    moment: float
    sandbox_id: str
    before: str
    after: str
