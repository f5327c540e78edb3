"""Keeps what is known of each sandbox that dies, while it is still known."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Protocol

from sandtui.clock import Clock
from sandtui.fleet.deaths.cause import has_died
from sandtui.fleet.deaths.death import Death
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.log_ends import LogEnds
from sandtui.fleet.inventory.row import DELETING, Row
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.board import JobBoard

LOG = logging.getLogger("sandtui.fleet")

MOST_WAITING = 5000
"""Deaths that wait to be stored; when more die at once, those before are kept without a log."""

LOGS_AT_ONCE = 4

MOST_LOGS = 200
"""Logs that are read of one wave of deaths: the platform answers 60 a minute, and those of one cause are alike."""

RECENT_SECONDS = 86400.0
"""Of what had ended before we looked, only what ended this recently is kept."""

LOADED = 500


class DeathStorage(Protocol):
    """Stores deaths. Calls may block: they are made from threads. All raise OSError when the storage fails."""

    def save(self, deaths: Sequence[Death]) -> None:
        """Store deaths; one that is stored is replaced only by one that was seen, or has a log."""
        ...

    def find(self, word: str = "") -> list[Death]:
        """Return the deaths with an id, a name or the beginning of an id, or all of them; latest first."""
        ...


class DeathRecorder:
    """Watches a store, and stores each death with the end of its log."""

    def __init__(
        self,
        store: FleetStore,
        history: History,
        jobs: JobBoard,
        log_ends: LogEnds,
        clock: Clock,
        storage: DeathStorage | None,
        context: str,
    ) -> None:
        self._store, self._history, self._jobs, self._log_ends = store, history, jobs, log_ends
        self._clock, self._storage, self._context = clock, storage, context
        self._waiting: deque[tuple[Row, bool]] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()
        self._loaded: OrderedDict[str, Death | None] = OrderedDict()
        if storage is not None:
            store.watch(self._changed)

    def of(self, sandbox_id: str) -> Death | None:
        """Return what :meth:`load` found."""
        return self._loaded.get(sandbox_id)

    def told(self, row: Row) -> Death | None:
        """Return what is known of the end of a sandbox: what :meth:`load` found, or else what can be seen now."""
        if not has_died(row.sandbox):
            return None
        events = self._history.of(row.id)
        found = self.of(row.id)
        return found or Death.of(row, self._context, events, self._jobs.of(row.id), seen=bool(events))

    async def load(self, sandbox_id: str) -> bool:
        """Read what is stored of a sandbox; return whether there is anything.

        Raises:
            OSError: it cannot be read.
        """
        if self._storage is None:
            return False
        found = await asyncio.to_thread(self._storage.find, sandbox_id)
        self._loaded[sandbox_id] = next((death for death in found if death.sandbox_id == sandbox_id), None)
        while len(self._loaded) > LOADED:
            self._loaded.popitem(last=False)
        return self._loaded[sandbox_id] is not None

    async def run(self) -> None:
        """Store what dies, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            wave = list(self._waiting)
            self._waiting.clear()
            await self._keep(wave)

    async def _keep(self, wave: Sequence[tuple[Row, bool]]) -> None:
        assert self._storage is not None
        deaths = [
            Death.of(row, self._context, self._history.of(row.id), self._jobs.of(row.id), seen=seen)
            for row, seen in wave
        ]
        try:
            # First without logs: they take time, and the program may end.
            await asyncio.to_thread(self._storage.save, deaths)
            gate = asyncio.Semaphore(LOGS_AT_ONCE)
            seen = [(row, death) for (row, seen), death in zip(wave, deaths, strict=True) if seen][:MOST_LOGS]
            with_logs = await asyncio.gather(*(self._with_log(row, death, gate) for row, death in seen))
            await asyncio.to_thread(self._storage.save, [death for death in with_logs if death.log is not None])
        except OSError as error:
            LOG.warning("what died can not be stored: %s", error)

    async def _with_log(self, row: Row, death: Death, gate: asyncio.Semaphore) -> Death:
        async with gate:
            if self._log_ends.is_due(row):
                await self._log_ends.read(row)
        end = self._log_ends.of(row.id)
        return death if end is None or end.problem else death.with_log(end.lines)

    def _changed(self, change: ChangeSet) -> None:
        for sandbox_id in change.changed:
            before, row = change.before.get(sandbox_id), self._store.get(sandbox_id)
            if row is None or before is None or before.sandbox.is_finished or before.status == DELETING:
                continue
            if has_died(row.sandbox):
                self._waiting.append((row, True))
        oldest = self._clock.now().timestamp() - RECENT_SECONDS
        for sandbox_id in change.added:
            row = self._store.get(sandbox_id)
            if row is not None and row.sandbox.is_finished and row.ended > oldest and has_died(row.sandbox):
                self._waiting.append((row, False))
        if self._waiting:
            self._news.set()
