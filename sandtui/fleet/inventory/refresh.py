"""Keeps the store fresh within the platform's limits.

What is changing or on the screen is polled often, by batch status; less often the part of the fleet that the filter's
labels and status select, as the platform finds it; least often the whole fleet, by pages. Failures slow the polling
down; a key press or a return to the window speeds it up again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from sandtui.client import (
    AsyncSandboxClient,
    NotFoundError,
    RateLimitedError,
    Sandbox,
    SandboxClientError,
    SandboxPage,
    UnauthorizedError,
)
from sandtui.clock import Clock
from sandtui.fleet.inventory.pace import SECONDS_PER_PAGE, Pace, Rhythm
from sandtui.fleet.inventory.query import ServerFilter
from sandtui.fleet.inventory.store import FleetStore

__all__ = ["MAX_BATCH", "PAGE_SIZE", "SECONDS_PER_PAGE", "Freshness", "Pace", "Phase", "Refresher"]

PAGE_SIZE = 100
PAGES_AT_ONCE = 4
MAX_BATCH = 100
MAX_BATCHES = 10
MAX_FETCHED = 20
NO_FILTER = ServerFilter()


class Phase(Enum):
    """The state of the connection."""

    LOADING = "loading"
    LIVE = "live"
    STOPPED = "stopped"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True)
class Freshness:
    """The state that the header shows. ``retry_at`` is on the monotonic clock."""

    phase: Phase = Phase.LOADING
    fresh_at: datetime | None = None
    problem: str = ""
    retry_at: float | None = None
    page: int = 0
    pages: int = 0


class Refresher:
    """Fills a store from a client until it is cancelled; ``on_freshness`` is called at each change of state."""

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
        self._rhythm = Rhythm(pace or Pace(), clock)
        self._on_freshness = on_freshness
        self._wake = asyncio.Event()
        self._want_sweep = True
        self._want_part = False
        self._part = NO_FILTER
        self._due = clock.monotonic()
        self._whole_due = clock.monotonic()
        self._batches = True
        self.visible_ids: Callable[[], Sequence[str]] = lambda: ()
        """Returns the sandboxes on the screen."""
        self.freshness = Freshness()

    @property
    def part(self) -> ServerFilter:
        """The part of the fleet that the platform is asked for; false if it is the whole."""
        return self._part

    def ask_for(self, part: ServerFilter) -> None:
        """Ask the platform for a part of the fleet first, as the filter on the screen says."""
        part = self.answerable(part)
        if part != self._part:
            self._part = part
            self._want_part = bool(part)
            if not self._rhythm.failures:
                self._wake.set()

    def answerable(self, part: ServerFilter) -> ServerFilter:
        """Return the part of a filter that the platform can apply: teams and users only by their whole ids."""
        team = part.team if any(row.sandbox.team_id == part.team for row in self._store) else None
        user = part.user if any(row.sandbox.user_id == part.user for row in self._store) else None
        return replace(part, team=team, user=user)

    def refresh_now(self) -> None:
        """List the whole fleet now, regardless of the back-off."""
        self._want_sweep = True
        self._wake.set()

    def touch(self) -> None:
        """Note that the user is active."""
        stopped = self._rhythm.stopped
        if self._rhythm.touch():
            self._want_sweep = self._want_sweep or stopped
            self._wake.set()

    def expect_changes(self) -> None:
        """Poll the changing rows now: one was just acted on."""
        self._wake.set()

    def set_visible(self, visible: bool) -> None:
        """Note that the window was covered or shown."""
        came_back = visible and not self._rhythm.visible
        self._rhythm.visible = visible
        if came_back:
            self._rhythm.touch()
            self.refresh_now()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self._poll_next()
            except SandboxClientError as error:
                self._store.abandon_sweep()
                self._due = self._clock.monotonic() + self._note_failure(error)
            self._store.expire_deletions()
            await self._wait()

    async def sweep(self) -> int:
        """List the whole fleet once; return the number of pages.

        Raises:
            SandboxClientError: a page failed; the pages before it are in the store.
        """
        self._store.begin_sweep()
        last, pages = await self._list(NO_FILTER)
        self._store.end_sweep(last.total)
        self._report(Freshness(Phase.LIVE, self._clock.now()))
        return pages

    async def sweep_part(self) -> int:
        """List the part that the filter selects; poll what was expected in it and not listed.

        Raises:
            SandboxClientError: a page or a status failed.
        """
        part = self._part
        expected = [row.id for row in self._store if part.matches(row)]
        self._store.begin_sweep()
        _, pages = await self._list(part)
        absent = self._store.end_partial_sweep(expected)
        await self._poll(absent[: MAX_BATCH * MAX_BATCHES])
        self._report(Freshness(Phase.LIVE, self._clock.now()))
        return pages

    async def poll_changing(self) -> None:
        """Poll what is changing or on the screen; fetch what has changed."""
        wanted = dict.fromkeys(self._store.changing)
        if self._due - self._clock.monotonic() > self._rhythm.visible_pause:
            rows = (self._store.get(sandbox_id) for sandbox_id in self.visible_ids())
            wanted.update(dict.fromkeys(row.id for row in rows if row is not None and not row.sandbox.is_finished))
        await self._poll(list(wanted)[: MAX_BATCH * MAX_BATCHES])

    async def _poll_next(self) -> None:
        now = self._clock.monotonic()
        if self._rhythm.failures and now < self._due and not self._want_sweep:
            return  # Backing off; neither a key nor a new filter changes that.
        whole = self._want_sweep or (now >= self._due and (not self._part or now >= self._whole_due))
        if whole or self._want_part or now >= self._due:
            self._want_part = False
            if whole:
                self._want_sweep = False
                pages = await self.sweep()
                self._whole_due = self._clock.monotonic() + self._rhythm.pace.behind
            else:
                pages = await self.sweep_part()
            self._due = self._clock.monotonic() + self._rhythm.after_sweep(pages, self._clock.monotonic() - now)
        else:
            await self.poll_changing()

    async def _list(self, part: ServerFilter) -> tuple[SandboxPage, int]:
        """Put every page into the store; return the last page and the number of pages."""
        reply = await self._page(1, part)
        pages = max(1, -(-reply.total // max(1, reply.per_page)))
        # Concurrent pages complete the first list sooner but cost more per page, so later lists are read page by page.
        at_once = 1 if self.freshness.phase is Phase.LIVE else PAGES_AT_ONCE
        page = 1
        while reply.has_next and reply.sandboxes:
            self._report_loading(page, pages)
            some = range(page + 1, max(page + 1, min(page + at_once, pages)) + 1)
            replies = await asyncio.gather(*(self._page(number, part) for number in some))
            page, reply = some[-1], replies[-1]
        return reply, page

    async def _page(self, number: int, part: ServerFilter) -> SandboxPage:
        reply = await self._client.list(
            page=number,
            per_page=PAGE_SIZE,
            labels=part.labels or None,
            status=part.status or None,
            team_id=part.team,
            user_id=part.user,
            exclude_terminated=part.active or None,
        )
        self._store.apply(reply.sandboxes)
        return reply

    async def _poll(self, sandbox_ids: Sequence[str]) -> None:
        if not self._batches:
            return
        for start in range(0, len(sandbox_ids), MAX_BATCH):
            batch = sandbox_ids[start : start + MAX_BATCH]
            before = {sandbox_id: self._platform_status(sandbox_id) for sandbox_id in batch}
            try:
                reply = await self._client.get_sandbox_statuses(batch)
            except NotFoundError:
                # An older platform has no batch status: the listings have to do.
                self._batches = False
                return
            gone = [row.sandbox_id for row in reply.errors if row.code == "NOT_FOUND"]
            moved = [row.sandbox_id for row in reply.statuses if row.status != before.get(row.sandbox_id)]
            self._store.remove(gone)
            self._store.apply_statuses(reply.statuses)
            await self._fetch(moved[:MAX_FETCHED])

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

    def _note_failure(self, error: SandboxClientError) -> float:
        limited = isinstance(error, RateLimitedError)
        pause = self._rhythm.after_refusal(error.retry_after, limited=limited)
        phase = Phase.UNAUTHORIZED if isinstance(error, UnauthorizedError) else Phase.OFFLINE
        retry_at = self._clock.monotonic() + pause
        self._report(Freshness(phase, self.freshness.fresh_at, str(error), retry_at))
        return pause

    async def _wait(self) -> None:
        pause = self._due - self._clock.monotonic()
        if not self._rhythm.failures:
            if self._store.totals.changing:
                pause = min(pause, self._rhythm.changing_pause)
            elif self._rhythm.visible and pause > self._rhythm.visible_pause and self.visible_ids():
                pause = self._rhythm.visible_pause
        if self._want_sweep or self._want_part or pause <= 0:
            pause = 0.05  # minimum pause between polls
        self._wake.clear()
        if self._rhythm.stopped and not self._want_sweep:
            self._report(Freshness(Phase.STOPPED, self.freshness.fresh_at))
            await self._wake.wait()
            return
        sleeper = asyncio.ensure_future(self._clock.sleep(pause))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()

    def _report_loading(self, page: int, pages: int) -> None:
        if self.freshness.phase is not Phase.LIVE:
            self._report(Freshness(Phase.LOADING, self.freshness.fresh_at, page=page, pages=pages))

    def _report(self, freshness: Freshness) -> None:
        if freshness != self.freshness:
            self.freshness = freshness
            self._on_freshness(freshness)
