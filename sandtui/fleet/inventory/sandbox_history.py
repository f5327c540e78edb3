"""Events and actions of each sandbox in this session."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime

from sandtui.clock import Clock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.store import FleetStore

EVENTS_EACH = 50
SANDBOXES = 5000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a sandbox; ``words`` may hold text from outside."""

    moment: datetime
    words: str
    bad: bool = False


class History:
    """Collects events from a store, and actions from here. The oldest sandboxes are dropped first."""

    def __init__(self, store: FleetStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._events: OrderedDict[str, deque[Event]] = OrderedDict()
        self.touched: set[str] = set()
        """The sandboxes that were worked with from here, or that have exposed ports."""
        self.latest: deque[tuple[str, Event]] = deque(maxlen=EVENTS_EACH)
        store.watch(self._changed)

    def of(self, sandbox_id: str) -> list[Event]:
        """Return the events of a sandbox, oldest first."""
        return list(self._events.get(sandbox_id, ()))

    def note(self, sandbox_id: str, words: str, *, bad: bool = False, touches: bool = True) -> None:
        """Record an action from here; one that only reads does not count as use."""
        if touches:
            self.touched.add(sandbox_id)
        self._add(sandbox_id, words, bad)

    def _changed(self, change: ChangeSet) -> None:
        for sandbox_id in change.changed | change.removed:
            before = change.before.get(sandbox_id)
            now = self._store.get(sandbox_id)
            if before is None:
                continue
            if now is None:
                self._add(sandbox_id, "not known to the platform any more", bad=False)
            elif now.status != before.status:
                error = now.sandbox.error_type
                self._add(
                    sandbox_id,
                    f"{before.status} → {now.status}" + (f" ({error})" if error else ""),
                    bad=now.status in {"ERROR", "TIMEOUT"},
                )

    def _add(self, sandbox_id: str, words: str, bad: bool) -> None:
        events = self._events.get(sandbox_id)
        if events is None:
            events = self._events[sandbox_id] = deque(maxlen=EVENTS_EACH)
            if len(self._events) > SANDBOXES:
                self._events.popitem(last=False)
        event = Event(self._clock.now(), words, bad)
        events.append(event)
        self.latest.append((sandbox_id, event))
