"""Watches the owners of leases, and tells the store whose sandboxes are orphaned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from sandtui.clock import Clock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.store import FleetStore
from sandtui.leases import LeaseJudge, LeaseMark, Verdict, this_user

PAUSE_SECONDS = 5.0


def is_mine(row: Row, me: str | None, user: str | None = None) -> bool:
    """Whether a sandbox with a lease is of this user, as far as the platform and the lease tell.

    ``me`` is the id on the platform, ``user`` the name on this machine.
    """
    owner = row.sandbox.user_id
    if me is not None and owner is not None and me != owner:
        return False
    return row.lease is not None and row.lease.user == (user or this_user())


class LeaseWatch:
    """Looks at the owners of all leases in a store every few seconds, in a thread."""

    def __init__(
        self, store: FleetStore, judge: LeaseJudge, clock: Clock, me: Callable[[], str | None] = lambda: None
    ) -> None:
        self._store, self._judge, self._clock = store, judge, clock
        self._me = me
        self._user = this_user()
        self._known: set[LeaseMark] = set()
        self._news = asyncio.Event()
        store.watch(self._changed)

    @property
    def orphans(self) -> list[Row]:
        """The orphaned sandboxes of this user."""
        me = self._me()
        return [row for row in self._rows() if is_mine(row, me, self._user)]

    @property
    def others(self) -> int:
        """The number of orphaned sandboxes of other people."""
        return len(self._store.totals.orphans) - len(self.orphans)

    async def run(self) -> None:
        """Look, until cancelled; at once when there is a new lease."""
        while True:
            await self.look()
            tasks = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(self._clock.sleep(PAUSE_SECONDS))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()

    async def look(self) -> None:
        """Look at all owners once."""
        self._news.clear()
        marks = set(self._store.totals.leases)
        self._known = marks
        if marks:
            verdicts = await asyncio.to_thread(judge_all, self._judge, marks)
            self._store.set_orphans({mark: verdict.gone for mark, verdict in verdicts.items() if verdict.gone})
        elif self._store.totals.orphans:
            self._store.set_orphans({})

    def _rows(self) -> Iterable[Row]:
        return filter(None, map(self._store.get, self._store.totals.orphans))

    def _changed(self, _: ChangeSet) -> None:
        if not self._store.totals.leases.keys() <= self._known:
            self._news.set()


def judge_all(judge: LeaseJudge, marks: Iterable[LeaseMark]) -> Mapping[LeaseMark, Verdict]:
    """Return what is known about the owners of some leases. Blocks."""
    return {mark: judge.judge(mark) for mark in marks}
