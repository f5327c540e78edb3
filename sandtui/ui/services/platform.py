"""The connection to the platform: connecting, switching, closing, and passing changes of the store to the screens.

Screens are updated at most four times a second; late responses of an earlier connection are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textual.app import App
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.activity.trace import following
from sandtui.fleet.deaths.recorder import DeathStorage
from sandtui.fleet.inventory import usage
from sandtui.fleet.inventory.bill import watch_bill
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.connection import ConnectError, Connection
from sandtui.fleet.inventory.query import ServerFilter
from sandtui.fleet.inventory.refresh import Freshness, Pace, Phase
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.jobs.storage import JobStorage
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.sanitize import clean, clean_lines
from sandtui.ui.garbage_collection import freeze_live_objects
from sandtui.ui.messages import (
    ConnectionChanged,
    ExposuresArrived,
    FreshnessChanged,
    LogArrived,
    LogEndArrived,
    NetworksArrived,
    SandboxesChanged,
    UsageArrived,
)
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work

LOG = logging.getLogger("sandtui.ui")

Connector = Callable[[], Awaitable[Connection]]
ClientFactory = Callable[[Connection], AsyncSandboxClient]

SECONDS_BETWEEN_UPDATES = 0.25

REST_SECONDS = 0.4

UNREADABLE = frozenset({Phase.OFFLINE, Phase.UNAUTHORIZED})


def default_client(connection: Connection) -> AsyncSandboxClient:
    """Returns the client for a connection."""
    return AsyncSandboxClient(config=connection.config)


@dataclass(frozen=True, slots=True)
class ConnectFailure:
    """Why connecting failed; ``again`` if the user had asked to retry."""

    problem: ConnectError
    again: bool


class PlatformConnection:
    """Holds the session with the platform. The signals ``connected`` and ``failed`` report each attempt."""

    def __init__(
        self,
        app: App[Any],
        clock: Clock,
        work: Work,
        notifier: Notifier,
        connect: Connector,
        make_client: ClientFactory = default_client,
        pace: Pace | None = None,
        storage: JobStorage | None = None,
        lease_folder: Path | None = None,
        deaths: DeathStorage | None = None,
    ) -> None:
        self._app, self._clock, self._work, self._notifier = app, clock, work, notifier
        self._connect, self._make_client = connect, make_client
        self._pace, self._storage, self._lease_folder = pace, storage, lease_folder
        self._deaths = deaths
        self._is_stale = False
        self._is_quiet = False
        self._reported: Freshness | None = None
        self.connection: Connection | None = None
        self.session: FleetSession | None = None
        self.problem: ConnectError | None = None
        self.connected: Signal[[FleetSession]] = Signal()
        self.failed: Signal[[ConnectFailure]] = Signal()
        self.rest_seconds = REST_SECONDS
        """How long the cursor must rest on a sandbox before the end of its log is read."""
        self.answered = asyncio.Event()
        """Set once the first list is complete, or cannot be had."""

    @property
    def freshness(self) -> Freshness:
        """The freshness of the data."""
        return self.session.refresher.freshness if self.session is not None else Freshness()

    @property
    def label(self) -> str:
        """The label of the connection; empty without one."""
        return self.connection.label if self.connection is not None else ""

    def need_session(self) -> FleetSession:
        """Return the session.

        Raises:
            RuntimeError: not connected; callers must check that first.
        """
        if self.session is None:
            raise RuntimeError("not connected")
        return self.session

    # Connecting

    def start(self, *, again: bool = False) -> None:
        """Connect, then keep the store up to date; ``again`` if the user asked to retry."""
        self._work.generation += 1
        self.problem = None
        self._work.start(self._live(self._work.generation, again=again), "live", exclusive=True)
        self.broadcast(ConnectionChanged())

    def switch(self, connect: Connector) -> None:
        """Disconnect and connect to another platform; late responses of the old one are dropped."""
        old, self.session = self.session, None
        self._connect = connect
        self._set_connection(None)
        if old is not None:
            self._work.start(self._leave(old, self._work.take_bound()), "close")
        self.start()

    async def stop(self) -> None:
        """End all work that uses the connection, and close it."""
        self._work.generation += 1
        bound = self._work.take_bound()
        if self.session is not None:
            await self._leave(self.session, bound)

    async def _leave(self, session: FleetSession, bound: Sequence[Worker[Any]]) -> None:
        """Close a connection after its work has ended: a request on a closed client would be an error."""
        if session.transfers is not None:
            # Running transfers are stored, and offered again on the next connection.
            await session.transfers.stop()
        await self._work.ended(bound)
        await session.close()

    async def _live(self, generation: int, *, again: bool) -> None:
        try:
            connection = await self._connect()
        except ConnectError as problem:
            if generation == self._work.generation:
                self.problem = problem
                self._notifier.note("error", f"Not connected: {clean(str(problem))}")
                self.broadcast(ConnectionChanged())
                self.failed(ConnectFailure(problem, again))
                self.answered.set()
            return
        old, self.session = self.session, None
        if old is not None:
            await old.close()
        client = self._make_client(connection)
        session = FleetSession(
            client,
            self._clock,
            self._freshness_changed,
            self._pace,
            self._storage,
            connection.label,
            self._lease_folder,
            self._deaths,
        )
        LOG.info("connected: %s, %s", connection.label, connection.config.base_url)
        session.client.observe(self._notifier.requests)
        session.store.watch(self._changed)
        self.session = session
        self._set_connection(connection)
        self.broadcast(ConnectionChanged())
        self.connected(session)
        self._work.start(session.job_watcher.run(), "jobs", exclusive=True)
        self._work.start(session.leases.run(), "leases", exclusive=True)
        self._work.start(session.deaths.run(), "deaths", exclusive=True)
        self._work.start(watch_bill(session.client, session.store, self._clock), "bill", exclusive=True)
        await session.refresher.run()

    def _set_connection(self, connection: Connection | None) -> None:
        self.connection = connection
        self._notifier.context = connection.label if connection is not None else ""
        self._notifier.secrets = [connection.config.api_key] if connection is not None else []

    # Freshness

    def refresh(self) -> None:
        """Refresh now, or retry to connect."""
        if self.session is not None:
            self.session.refresher.refresh_now()
        elif self.problem is not None:
            self.start(again=True)

    def ask_for(self, part: ServerFilter) -> None:
        """Refresh a part of the fleet first."""
        if self.session is not None:
            self.session.refresher.ask_for(part)

    def touch(self) -> None:
        """Note a key press: the user is not idle."""
        if self.session is not None:
            self.session.refresher.touch()

    def set_visible(self, visible: bool) -> None:
        """Note that the window lost or got the focus."""
        if self.session is not None:
            self.session.refresher.set_visible(visible)

    # Requests of screens

    def fetch_log(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Load a log; ``reply_to`` gets a :class:`LogArrived`."""
        session = self.need_session()

        async def flow() -> None:
            try:
                text = await session.client.get_logs(sandbox_id)
            except SandboxClientError as error:
                reply_to.post_message(LogArrived(sandbox_id, [], error))
            else:
                reply_to.post_message(LogArrived(sandbox_id, await asyncio.to_thread(clean_lines, text)))

        self._work.start(flow(), f"log {sandbox_id}", exclusive=True)

    def read_log_end(self, reply_to: Screen[Any], row: Row, *, live: bool = False) -> None:
        """Read the end of a log if it is due; ``reply_to`` gets a :class:`LogEndArrived`. Only the latest is read."""
        session = self.need_session()
        if not session.log_ends.is_due(row, live=live):
            return

        async def flow() -> None:
            await session.log_ends.read(row)
            reply_to.post_message(LogEndArrived(row.id))

        self._work.start(flow(), "log-end", exclusive=True)

    def load_death(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Read what is kept of a sandbox that died; ``reply_to`` gets a :class:`LogEndArrived`."""
        session = self.need_session()

        async def flow() -> None:
            # The state was checked at the start; what can't be read now is only left out.
            with contextlib.suppress(OSError):
                if await session.deaths.load(sandbox_id):
                    reply_to.post_message(LogEndArrived(sandbox_id))

        self._work.start(flow(), "death", exclusive=True)

    def learn_exposures(self) -> None:
        """List the exposed ports; the screens get an :class:`ExposuresArrived`."""
        session = self.need_session()

        async def flow() -> None:
            # Without the list the view is only less exact, and errors of the platform are reported elsewhere.
            with contextlib.suppress(SandboxClientError):
                await session.learn_exposures()
            self.broadcast(ExposuresArrived())

        self._work.start(flow(), "exposures", exclusive=True)

    def learn_networks(self) -> None:
        """List the LAN networks; the screens get a :class:`NetworksArrived`."""
        session = self.need_session()

        async def flow() -> None:
            # A platform may have none.
            with contextlib.suppress(SandboxClientError):
                await session.learn_networks()
            self.broadcast(NetworksArrived())

        self._work.start(flow(), "networks", exclusive=True)

    def measure(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Measure the usage of a sandbox once, for the store; ``reply_to`` gets an :class:`UsageArrived`."""
        session = self.need_session()

        async def flow() -> None:
            try:
                response = await session.client.execute_command(sandbox_id, usage.COMMAND, timeout=usage.SECONDS)
            except SandboxClientError as error:
                reply_to.post_message(UsageArrived(None, error))
            else:
                sample = usage.read_sample(response.stdout)
                session.store.measure(sandbox_id, sample)
                reply_to.post_message(UsageArrived(sample))

        self._work.start(flow(), "measure", exclusive=True)

    # Broadcasts

    def broadcast(self, message: Message) -> None:
        """Post a message to every screen."""
        # The first screen is Textual's own empty one: a message would only make it repaint everything above it.
        for screen in self._app.screen_stack[1:]:
            screen.post_message(message)

    def _changed(self, _: ChangeSet) -> None:
        self._is_stale = True
        if not self._is_quiet:
            self._is_quiet = True
            self._app.call_later(self._flush)

    def _flush(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self.broadcast(SandboxesChanged())
            self._app.set_timer(SECONDS_BETWEEN_UPDATES, self._flush)
        else:
            self._is_quiet = False

    def _note_problem(self, before: Phase | None, freshness: Freshness) -> None:
        is_unreadable = freshness.phase in UNREADABLE
        if is_unreadable and before not in UNREADABLE:
            with following(self._notifier.requests.latest_failure()):
                self._notifier.note("error", f"Refresh failed: {clean(freshness.problem)}")
        elif before in UNREADABLE and freshness.phase is Phase.LIVE:
            self._notifier.note("information", "Refresh works again")

    def _freshness_changed(self, freshness: Freshness) -> None:
        if freshness.phase is Phase.LIVE and self.session is not None:
            freeze_live_objects(len(self.session.store))
        if freshness.phase is not Phase.LOADING:
            self.answered.set()
        # Screens update the age of the data themselves, once a second.
        before, self._reported = self._reported, replace(freshness, fresh_at=None)
        if self._reported != before:
            LOG.debug("the data is %s, page %d of %d", freshness.phase.value, freshness.page, freshness.pages)
            self._note_problem(before.phase if before is not None else None, freshness)
            self.broadcast(FreshnessChanged(freshness))
