"""Keeping the store fresh within the platform's limits.

What is changing is asked about often, by batch status; the whole fleet is swept by pages behind it.
Failures slow the questions down, and a key press or coming back to the window speeds them up again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sandtui.client import (
    AsyncSandboxClient,
    NotFoundError,
    SandboxClientError,
    UnauthorizedError,
)
from sandtui.client.models import Sandbox
from sandtui.fleet.clock import Clock
from sandtui.fleet.store import FleetStore

PAGE_SIZE = 100
MAX_BATCH = 100
SECONDS_PER_PAGE = 0.2
"""The listing is limited to 1,000 requests a minute (wire.md 2.1): sweeps stay under a third of it."""


class Phase(Enum):
    """How good the data is."""

    LOADING = "loading"
    LIVE = "live"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the header says about the data. ``retry_at`` is on the monotonic clock."""

    phase: Phase = Phase.LOADING
    fresh_at: datetime | None = None
    problem: str = ""
    retry_at: float | None = None
    page: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between questions. ``sweep`` while somebody types, ``calm`` after a minute, ``away`` unseen."""

    changing: float = 1.0
    sweep: float = 2.0
    calm: float = 10.0
    away: float = 60.0
    calm_after: float = 60.0
    longest_back_off: float = 60.0


class Refresher:
    """Fills a store from a client until it is cancelled. ``on_freshness`` hears of each change of state."""

    def __init__(
        self,
        client: AsyncSandboxClient,
        store: FleetStore,
        clock: Clock,
        on_freshness: Callable[[Freshness], None] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._pace = pace or Pace()
        self._on_freshness = on_freshness
        self._wake = asyncio.Event()
        self._failures = 0
        self._active_at = clock.monotonic()
        self._visible = True
        self._want_sweep = True
        self.freshness = Freshness()

    def refresh_now(self) -> None:
        """Sweep at once, whatever the back-off."""
        self._want_sweep = True
        self._wake.set()

    def touch(self) -> None:
        """Note that somebody is there."""
        calm = self._clock.monotonic() - self._active_at > self._pace.calm_after
        self._active_at = self._clock.monotonic()
        if calm:
            self._wake.set()

    def expect_changes(self) -> None:
        """Look at the changing rows now: something was just done to one."""
        self._wake.set()

    def set_visible(self, visible: bool) -> None:
        """Note that the window was covered or shown."""
        came_back = visible and not self._visible
        self._visible = visible
        if came_back:
            self.refresh_now()

    async def run(self) -> None:
        """Ask and ask again until cancelled."""
        sweep_due = self._clock.monotonic()
        while True:
            try:
                if self._want_sweep or self._clock.monotonic() >= sweep_due:
                    self._want_sweep = False
                    pages = await self.sweep()
                    sweep_due = self._clock.monotonic() + self._sweep_pause(pages)
                else:
                    await self.poll_changing()
                self._failures = 0
            except SandboxClientError as error:
                self._store.abandon_sweep()
                sweep_due = self._clock.monotonic() + self._note_failure(error)
            self._store.expire_deletions()
            await self._wait(sweep_due)

    async def sweep(self) -> int:
        """List the whole fleet once; return the number of pages.

        Raises:
            SandboxClientError: a page could not be had; what came before it is in the store.
        """
        self._store.begin_sweep()
        page = 1
        while True:
            reply = await self._client.list(page=page, per_page=PAGE_SIZE)
            self._store.apply(reply.sandboxes)
            pages = max(1, -(-reply.total // PAGE_SIZE))
            if not reply.has_next or not reply.sandboxes:
                break
            if self.freshness.phase is not Phase.LIVE:
                self._say(Freshness(Phase.LOADING, self.freshness.fresh_at, page=page, pages=pages))
            page += 1
        self._store.end_sweep(reply.total)
        self._say(Freshness(Phase.LIVE, self._clock.now()))
        return page

    async def poll_changing(self) -> None:
        """Ask for the status of what is changing; what has changed is fetched whole."""
        waiting = self._store.changing
        for start in range(0, len(waiting), MAX_BATCH):
            batch = waiting[start : start + MAX_BATCH]
            before = {sandbox_id: self._platform_status(sandbox_id) for sandbox_id in batch}
            try:
                reply = await self._client.get_sandbox_statuses(batch)
            except NotFoundError:
                # An older platform has no batch status: the next sweep tells.
                return
            gone = [row.sandbox_id for row in reply.errors if row.code == "NOT_FOUND"]
            moved = [row.sandbox_id for row in reply.statuses if row.status != before.get(row.sandbox_id)]
            self._store.remove(gone)
            self._store.apply_statuses(reply.statuses)
            await self._fetch(moved[:20])

    async def _fetch(self, sandbox_ids: list[str]) -> None:
        async def one(sandbox_id: str) -> Sandbox | None:
            with contextlib.suppress(NotFoundError):
                return await self._client.get(sandbox_id)
            return None

        found = await asyncio.gather(*(one(sandbox_id) for sandbox_id in sandbox_ids))
        self._store.apply([sandbox for sandbox in found if sandbox is not None])

    def _platform_status(self, sandbox_id: str) -> str | None:
        row = self._store.get(sandbox_id)
        return None if row is None else row.sandbox.status

    def _sweep_pause(self, pages: int) -> float:
        idle = self._clock.monotonic() - self._active_at
        base = self._pace.sweep
        if not self._visible:
            base = self._pace.away
        elif idle > self._pace.calm_after:
            base = self._pace.calm
        return max(base, pages * SECONDS_PER_PAGE)

    def _note_failure(self, error: SandboxClientError) -> float:
        self._failures += 1
        pause = min(self._pace.longest_back_off, 2.0 ** min(self._failures, 10))
        if error.retry_after is not None:
            pause = max(pause, min(error.retry_after, self._pace.longest_back_off))
        phase = Phase.UNAUTHORIZED if isinstance(error, UnauthorizedError) else Phase.OFFLINE
        retry_at = self._clock.monotonic() + pause
        self._say(Freshness(phase, self.freshness.fresh_at, str(error), retry_at))
        return pause

    async def _wait(self, sweep_due: float) -> None:
        pause = sweep_due - self._clock.monotonic()
        if self._store.changing and not self._failures:
            pause = min(pause, self._pace.changing)
        if self._want_sweep or pause <= 0:
            pause = 0.05  # even a platform that answers at once is not asked without a breath
        self._wake.clear()
        sleeper = asyncio.ensure_future(self._clock.sleep(pause))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()

    def _say(self, freshness: Freshness) -> None:
        if freshness != self.freshness:
            self.freshness = freshness
            self._on_freshness(freshness)
