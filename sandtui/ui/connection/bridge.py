"""Between the fleet and the screens: with `bridge_tasks` the only place that starts the fleet's coroutines.

It turns what the store announces into messages, at most four times a second, and drops late answers of an
older connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.worker import Worker

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.activity.requests import Trace
from sandtui.fleet.activity.trace import current_trace, following
from sandtui.fleet.clock import Clock
from sandtui.fleet.commands.console import Console, Run
from sandtui.fleet.commands.line.masking import told
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.query import ServerFilter
from sandtui.fleet.inventory.refresh import Freshness, Pace, Phase
from sandtui.fleet.inventory.session import ConnectError, Connection, FleetSession
from sandtui.fleet.text.sanitize import clean, clean_lines
from sandtui.ui.connection.bridge_launches import BridgeLaunches
from sandtui.ui.connection.messages import (
    ConnectionChanged,
    DeleteFinished,
    FreshnessChanged,
    LogArrived,
    SandboxesChanged,
)
from sandtui.ui.garbage_collection import spare_what_stays
from sandtui.ui.tracing import LOG

if TYPE_CHECKING:
    from textual.screen import Screen

    from sandtui.ui.app import SandtuiApp

Connector = Callable[[], Awaitable[Connection]]
ClientFactory = Callable[[Connection], AsyncSandboxClient]

SECONDS_BETWEEN_UPDATES = 0.25

ENDLESS = frozenset({"live", "jobs", "unfinished", "close"})
"""Groups of flows that nobody asked for: they are behind no entry of the activity."""

OF_NO_CONNECTION = frozenset(
    {"write", "keep", "helper", "recording", "recordings", "history", "images", "activity", "close", "keep-log"}
)
"""Work that goes on when the platform is left: it is done on this machine. By the first word of its group."""

CLOSE_SECONDS = 5.0

TROUBLE = frozenset({Phase.OFFLINE, Phase.UNAUTHORIZED})


def default_client(connection: Connection) -> AsyncSandboxClient:
    """Return the client for a connection."""
    return AsyncSandboxClient(config=connection.config)


class Bridge(BridgeLaunches):
    """Holds the session with the platform and carries commands and news across."""

    def __init__(
        self,
        app: SandtuiApp,
        connect: Connector,
        clock: Clock,
        make_client: ClientFactory = default_client,
        pace: Pace | None = None,
    ) -> None:
        self._app = app
        self._connect = connect
        self._make_client = make_client
        self._pace = pace
        self._pending = ChangeSet()
        self._quiet = False
        self._generation = 0
        self._said: Freshness | None = None
        self._bound: set[Worker[Any]] = set()
        self.clock = clock
        self.connection: Connection | None = None
        self.session: FleetSession | None = None
        self.problem: ConnectError | None = None

    @property
    def freshness(self) -> Freshness:
        """How good the data is."""
        return self.session.refresher.freshness if self.session is not None else Freshness()

    def start(self, *, again: bool = False) -> None:
        """Connect, and keep the store fresh from then on; ``again`` when the user asked for another try."""
        self._generation += 1
        self.problem = None
        self._run(self._live(self._generation, again=again), "live", exclusive=True)
        self._tell(ConnectionChanged())

    def switch(self, connect: Connector) -> None:
        """Leave the platform and connect to another; late answers of the old one are dropped."""
        old, self.session = self.session, None
        self.connection, self._connect = None, connect
        if old is not None:
            self._run(self._leave(old, self._take_bound()), "close")
        self.start()

    def _take_bound(self) -> list[Worker[Any]]:
        """Cancel all work of the connection; return what has not ended yet."""
        bound = [worker for worker in self._bound if not worker.is_finished]
        self._bound.clear()
        for worker in bound:
            worker.cancel()
        return bound

    @staticmethod
    async def _leave(session: FleetSession, bound: Sequence[Worker[Any]]) -> None:
        """Close a connection when the work over it has ended: a request on a closed client would be a fault."""
        if session.transfers is not None:
            # What is copied is written down where it can go on, and offered again there.
            await session.transfers.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(worker.wait() for worker in bound), return_exceptions=True)
        await session.close()

    async def stop(self) -> None:
        """End the work over the connection, and close it."""
        self._generation += 1
        bound = self._take_bound()
        if self.session is not None:
            await self._leave(self.session, bound)

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

    def delete(self, sandbox_ids: list[str]) -> None:
        """Delete sandboxes; the app gets a :class:`DeleteFinished`."""
        session = self._need()
        rows = [session.store.get(sandbox_id) for sandbox_id in sandbox_ids]
        names = {row.id: row.sandbox.name for row in rows if row is not None}

        async def flow() -> None:
            outcome = await session.delete(sandbox_ids)
            self._app.post_message(DeleteFinished(outcome, names))

        self._run(flow(), "delete")

    def fetch_log(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Fetch a log; ``reply_to`` gets a :class:`LogArrived`."""
        session = self._need()

        async def flow() -> None:
            try:
                text = await session.client.get_logs(sandbox_id)
            except SandboxClientError as error:
                reply_to.post_message(LogArrived(sandbox_id, [], error))
            else:
                reply_to.post_message(LogArrived(sandbox_id, await asyncio.to_thread(clean_lines, text)))

        self._run(flow(), f"log {sandbox_id}", exclusive=True)

    def tell(self, message: Message) -> None:
        """Give a message to every screen."""
        self._tell(message)

    def run_flow(self, flow: Coroutine[Any, Any, None], group: str, *, exclusive: bool = False) -> None:
        """Run a flow of a screen; it is told nothing, and cancelled when the program ends."""
        self._run(flow, group, exclusive=exclusive)

    def open_console(self, console: Console) -> Worker[None]:
        """Keep a way open over which a console's output comes live; cancelling the worker closes it."""
        group = f"way {console.sandbox_id}"
        worker = self._app.run_worker(console.keep_open(), group=group, exclusive=True, exit_on_error=False)
        self._bind(worker)
        return worker

    def run_command(self, console: Console, command: str, timeout: int) -> Worker[Run]:
        """Run a command in a console; cancelling the worker stops the command."""
        row = self.session.store.get(console.sandbox_id) if self.session is not None else None
        name = row.sandbox.name if row is not None else console.sandbox_id
        with self._app.doing(f"run › {name} › {told(command)}"):
            worker = self._app.run_worker(
                console.run(command, timeout), group=f"console {console.sandbox_id}", exit_on_error=False
            )
        self._bind(worker)
        return worker

    def _need(self) -> FleetSession:
        if self.session is None:
            raise RuntimeError("there is no connection")
        return self.session

    async def _live(self, generation: int, *, again: bool = False) -> None:
        try:
            connection = await self._connect()
        except ConnectError as problem:
            if generation == self._generation:
                self.problem = problem
                self._app.note("error", f"Not connected: {clean(str(problem))}")
                self._tell(ConnectionChanged())
                self._app.contexts.offer(problem, again=again)
            return
        old, self.session = self.session, None
        if old is not None:
            await old.close()
        session = FleetSession(
            self._make_client(connection),
            self.clock,
            self._freshness_changed,
            self._pace,
            self._app.job_file,
            connection.label,
        )
        LOG.info("connected: %s, %s", connection.label, connection.config.base_url)
        session.client.observe(self._app.requests)
        session.store.watch(self._changed)
        self.connection, self.session = connection, session
        self._tell(ConnectionChanged())
        self._run(self._offer_unfinished(), "unfinished")
        self._app.transfers.begin(session, connection.label)
        self._app.job_flow.attach(session)
        self._run(session.job_watcher.run(), "jobs", exclusive=True)
        await session.refresher.run()

    def _run(self, flow: Coroutine[Any, Any, None], group: str, *, exclusive: bool = False) -> None:
        if self._app.is_leaving:
            flow.close()
            return
        with following(None if group in ENDLESS else current_trace() or Trace()):
            worker = self._app.run_worker(
                self._of_connection(flow, self._generation), group=group, exclusive=exclusive, exit_on_error=False
            )
        self._bind(worker)

    def _bind(self, worker: Worker[Any]) -> None:
        if worker.group.partition(" ")[0] not in OF_NO_CONNECTION:
            self._bound = {each for each in self._bound if not each.is_finished} | {worker}

    async def _of_connection(self, flow: Coroutine[Any, Any, None], generation: int) -> None:
        try:
            await flow
        except Exception:
            if generation == self._generation:
                raise
            # Late work of a connection that was left.
            LOG.debug("an error over a connection that was left", exc_info=True)

    def _changed(self, change: ChangeSet) -> None:
        self._pending = self._pending.then(change)
        if not self._quiet:
            self._quiet = True
            self._app.call_later(self._flush)

    def _flush(self) -> None:
        change, self._pending = self._pending, ChangeSet()
        if change:
            self._tell(SandboxesChanged(change))
            self._app.set_timer(SECONDS_BETWEEN_UPDATES, self._flush)
        else:
            self._quiet = False

    def _note_trouble(self, before: Phase | None, freshness: Freshness) -> None:
        trouble = freshness.phase in TROUBLE
        if trouble and before not in TROUBLE:
            with following(self._app.requests.latest_failure()):
                self._app.note("error", f"The fleet can't be read: {clean(freshness.problem)}")
        elif before in TROUBLE and freshness.phase is Phase.LIVE:
            self._app.note("information", "The fleet can be read again.")

    def _freshness_changed(self, freshness: Freshness) -> None:
        if freshness.phase is Phase.LIVE and self.session is not None:
            spare_what_stays(len(self.session.store))
        # How old the data is, the screens see by themselves once a second.
        said, self._said = self._said, replace(freshness, fresh_at=None)
        if self._said != said:
            LOG.debug("the data is %s, page %d of %d", freshness.phase.value, freshness.page, freshness.pages)
            self._note_trouble(said.phase if said is not None else None, freshness)
            self._tell(FreshnessChanged(freshness))

    def _tell(self, message: Message) -> None:
        # The first screen is Textual's own empty one: news would only make it repaint everything above it.
        for screen in self._app.screen_stack[1:]:
            screen.post_message(message)
