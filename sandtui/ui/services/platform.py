"""The connection to the platform: made, switched and closed here; what the store announces goes to the screens.

Screens hear at most four times a second, and late answers of an older connection are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from textual.app import App
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.activity.trace import following
from sandtui.fleet.inventory import usage
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.query import ServerFilter
from sandtui.fleet.inventory.refresh import Freshness, Pace, Phase
from sandtui.fleet.inventory.session import ConnectError, Connection, FleetSession
from sandtui.fleet.jobs.keeper import JobKeeper
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.sanitize import clean, clean_lines
from sandtui.ui.garbage_collection import freeze_live_objects
from sandtui.ui.messages import (
    ConnectionChanged,
    ExposuresArrived,
    FreshnessChanged,
    LogArrived,
    SandboxesChanged,
    UsageArrived,
)
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work

LOG = logging.getLogger("sandtui.ui")

Connector = Callable[[], Awaitable[Connection]]
ClientFactory = Callable[[Connection], AsyncSandboxClient]

SECONDS_BETWEEN_UPDATES = 0.25

UNREADABLE = frozenset({Phase.OFFLINE, Phase.UNAUTHORIZED})


def default_client(connection: Connection) -> AsyncSandboxClient:
    """Return the client for a connection."""
    return AsyncSandboxClient(config=connection.config)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no connection; ``again`` when the user had asked for another try."""

    problem: ConnectError
    again: bool


class Platform:
    """Holds the session with the platform. ``connected`` and ``failed`` say what came of each try."""

    def __init__(
        self,
        app: App[Any],
        clock: Clock,
        work: Work,
        notifier: Notifier,
        connect: Connector,
        make_client: ClientFactory = default_client,
        pace: Pace | None = None,
        keeper: JobKeeper | None = None,
    ) -> None:
        self._app, self._clock, self._work, self._notifier = app, clock, work, notifier
        self._connect, self._make_client = connect, make_client
        self._pace, self._keeper = pace, keeper
        self._is_stale = False
        self._is_quiet = False
        self._said: Freshness | None = None
        self.connection: Connection | None = None
        self.session: FleetSession | None = None
        self.problem: ConnectError | None = None
        self.connected: Signal[[FleetSession]] = Signal()
        self.failed: Signal[[Failure]] = Signal()

    @property
    def freshness(self) -> Freshness:
        """How good the data is."""
        return self.session.refresher.freshness if self.session is not None else Freshness()

    @property
    def label(self) -> str:
        """What the connection is called; empty without one."""
        return self.connection.label if self.connection is not None else ""

    def need_session(self) -> FleetSession:
        """Return the session.

        Raises:
            RuntimeError: there is none; the caller had to see to that.
        """
        if self.session is None:
            raise RuntimeError("there is no connection")
        return self.session

    # Connecting

    def start(self, *, again: bool = False) -> None:
        """Connect, and keep the store fresh from then on; ``again`` when the user asked for another try."""
        self._work.generation += 1
        self.problem = None
        self._work.start(self._live(self._work.generation, again=again), "live", exclusive=True)
        self.broadcast(ConnectionChanged())

    def switch(self, connect: Connector) -> None:
        """Leave the platform and connect to another; late answers of the old one are dropped."""
        old, self.session = self.session, None
        self._connect = connect
        self._set_connection(None)
        if old is not None:
            self._work.start(self._leave(old, self._work.take_bound()), "close")
        self.start()

    async def stop(self) -> None:
        """End the work over the connection, and close it."""
        self._work.generation += 1
        bound = self._work.take_bound()
        if self.session is not None:
            await self._leave(self.session, bound)

    async def _leave(self, session: FleetSession, bound: Sequence[Worker[Any]]) -> None:
        """Close a connection when the work over it has ended: a request on a closed client would be a fault."""
        if session.transfers is not None:
            # What is copied is written down where it can go on, and offered again there.
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
                self.failed(Failure(problem, again))
            return
        old, self.session = self.session, None
        if old is not None:
            await old.close()
        client = self._make_client(connection)
        session = FleetSession(client, self._clock, self._freshness_changed, self._pace, self._keeper, connection.label)
        LOG.info("connected: %s, %s", connection.label, connection.config.base_url)
        session.client.observe(self._notifier.requests)
        session.store.watch(self._changed)
        self.session = session
        self._set_connection(connection)
        self.broadcast(ConnectionChanged())
        self.connected(session)
        self._work.start(session.job_watcher.run(), "jobs", exclusive=True)
        await session.refresher.run()

    def _set_connection(self, connection: Connection | None) -> None:
        self.connection = connection
        self._notifier.context = connection.label if connection is not None else ""
        self._notifier.secrets = [connection.config.api_key] if connection is not None else []

    # How fresh the data is

    def refresh(self) -> None:
        """Ask the platform now, or try to connect again."""
        if self.session is not None:
            self.session.refresher.refresh_now()
        elif self.problem is not None:
            self.start(again=True)

    def ask_for(self, part: ServerFilter) -> None:
        """Ask the platform for a part of the fleet first."""
        if self.session is not None:
            self.session.refresher.ask_for(part)

    def touch(self) -> None:
        """Note that somebody pressed a key."""
        if self.session is not None:
            self.session.refresher.touch()

    def set_visible(self, visible: bool) -> None:
        """Note that the window lost or got the focus."""
        if self.session is not None:
            self.session.refresher.set_visible(visible)

    # Asked for by screens

    def fetch_log(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Fetch a log; ``reply_to`` gets a :class:`LogArrived`."""
        session = self.need_session()

        async def flow() -> None:
            try:
                text = await session.client.get_logs(sandbox_id)
            except SandboxClientError as error:
                reply_to.post_message(LogArrived(sandbox_id, [], error))
            else:
                reply_to.post_message(LogArrived(sandbox_id, await asyncio.to_thread(clean_lines, text)))

        self._work.start(flow(), f"log {sandbox_id}", exclusive=True)

    def learn_exposures(self) -> None:
        """Find out which sandboxes serve a port; the screens get an :class:`ExposuresArrived`."""
        session = self.need_session()

        async def flow() -> None:
            # Without the answer the view is only less exact, and the platform's trouble is told elsewhere.
            with contextlib.suppress(SandboxClientError):
                await session.learn_exposures()
            self.broadcast(ExposuresArrived())

        self._work.start(flow(), "exposures", exclusive=True)

    def measure(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Ask a sandbox once what it uses; the store keeps it, and ``reply_to`` gets an :class:`UsageArrived`."""
        session = self.need_session()

        async def flow() -> None:
            try:
                reply = await session.client.execute_command(sandbox_id, usage.COMMAND, timeout=usage.SECONDS)
            except SandboxClientError as error:
                reply_to.post_message(UsageArrived(None, error))
            else:
                sample = usage.read_sample(reply.stdout)
                session.store.measure(sandbox_id, sample)
                reply_to.post_message(UsageArrived(sample))

        self._work.start(flow(), "measure", exclusive=True)

    # News

    def broadcast(self, message: Message) -> None:
        """Give a message to every screen."""
        # The first screen is Textual's own empty one: news would only make it repaint everything above it.
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

    def _note_trouble(self, before: Phase | None, freshness: Freshness) -> None:
        is_unreadable = freshness.phase in UNREADABLE
        if is_unreadable and before not in UNREADABLE:
            with following(self._notifier.requests.latest_failure()):
                self._notifier.note("error", f"The fleet can't be read: {clean(freshness.problem)}")
        elif before in UNREADABLE and freshness.phase is Phase.LIVE:
            self._notifier.note("information", "The fleet can be read again.")

    def _freshness_changed(self, freshness: Freshness) -> None:
        if freshness.phase is Phase.LIVE and self.session is not None:
            freeze_live_objects(len(self.session.store))
        # How old the data is, the screens see by themselves once a second.
        said, self._said = self._said, replace(freshness, fresh_at=None)
        if self._said != said:
            LOG.debug("the data is %s, page %d of %d", freshness.phase.value, freshness.page, freshness.pages)
            self._note_trouble(said.phase if said is not None else None, freshness)
            self.broadcast(FreshnessChanged(freshness))
