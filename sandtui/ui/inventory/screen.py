"""The home screen: the fleet, filtered and sorted, with the chosen sandbox beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.inventory.query import Query, QueryError, complete, parse
from sandtui.fleet.inventory.refresh import Phase
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.view import FleetView
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.inventory import empty
from sandtui.ui.inventory.detail import detail
from sandtui.ui.inventory.overview import history_pieces, overview_pieces, unmeasured_pieces
from sandtui.ui.inventory.query_input import QueryInput
from sandtui.ui.inventory.screen_looks import FleetLooks
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import ConnectionChanged, ExposuresArrived, FreshnessChanged, SandboxesChanged
from sandtui.ui.rendering.text import Content, Piece, sort_arrow
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.text_panel import TextPanel

WIDE = 110
"""So wide a window has room for the bars of the last hour."""

TYPING_SECONDS = 0.4
"""The platform is asked for what the filter names so long after the last key, not for each beginning of a label."""

STILL_SECONDS = 1.5
"""So long after a cursor key no row changes its place: what the user aims at stays where it is."""


class FleetScreen(FleetLooks):
    """All sandboxes."""

    SCOPE = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("fleet")
    AUTO_FOCUS = "FleetTable"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._problem: QueryError | None = None
        self._still_until = 0.0
        self._thaw: Timer | None = None
        self._asking: Timer | None = None

    def compose_body(self) -> Iterable[Widget]:
        """Filter, table and the panel beside it."""
        with Horizontal(id="filter-bar"):
            yield Static(Content(f" {self.services.key_of('fleet.filter')} "), id="filter-sign")
            yield QueryInput(self._complete, "words, #label, status:running, age>2h", id="filter")
            yield ChromeLine(id="filter-counts")
        yield ChromeLine(id="overview")
        with Horizontal(id="fleet-body"):
            with Vertical(id="fleet-panel", classes="panel"):
                yield FleetTable(self.services.clock.now, id="fleet-table")
            with VerticalScroll(id="inspector", classes="panel", can_focus=False):
                yield TextPanel(id="inspector-text")

    def crumbs(self) -> list[str]:
        """We are at the top."""
        return ["Fleet"]

    def on_mount(self) -> None:
        """Draw what is known already."""
        super().on_mount()
        self._connect_view()
        self.apply_preferences()
        self.show_rows()

    def on_screen_resume(self) -> None:
        """Take over what came while another screen was in front."""
        super().on_screen_resume()
        self._take_over()

    def tick(self) -> None:
        """Let the ages grow."""
        super().tick()
        if self._view is not None and self._view.retime():
            self.show_rows()
        else:
            self.table.refresh_lines_changed()
            self._show_overview()
            self._show_inspector()

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell about marks, order and what is hidden."""
        if self._problem is not None:
            where = f"✖ filter, column {self._problem.column + 1}: "
            return [Piece(where, "bad"), Piece(clean(self._problem.message), "bad")], []
        if self._view is None:
            return [], []
        shows = self.services.key_of("fleet.active")
        left = [Piece(f"ended ones are hidden, {shows} shows them", "dim")] if self._view.active_only else []
        if count := len(self.table.range_ids):
            left = [
                Piece(f"range of {count}: ", "key"),
                Piece(
                    f"{self.services.key_of('fleet.mark')} marks it, {self.services.key_of('fleet.back')} ends it",
                    "dim",
                ),
            ]
        marks = len(self._view.marks)
        if unmeasured := self._view.unmeasured:
            offered = not marks and not self.services.contexts.read_only
            left = [*unmeasured_pieces(unmeasured, self.services.key_of("fleet.measure") if offered else ""), *left]
        if not marks:
            return left, []
        return left, [Piece(f"{marks:,} marked ({self._view.marks_hidden:,} hidden by filter)", "key")]

    # What the bridge tells

    def on_connection_changed(self, message: ConnectionChanged) -> None:
        """Start with the rows of the new connection."""
        super().on_connection_changed(message)
        self._connect_view()
        self.apply_preferences()
        self.show_rows()

    def on_sandboxes_changed(self, message: SandboxesChanged) -> None:
        """Take over the changed rows, or their looks alone while the cursor is being moved."""
        if self.is_covered:
            return
        left = self._still_until - self.services.clock.monotonic()
        if left > 0:
            self.table.refresh_lines_changed()
            if self._thaw is None:
                self._thaw = self.set_timer(left, self._thawed)
        else:
            self._take_over()
        super().on_sandboxes_changed(message)

    def on_freshness_changed(self, message: FreshnessChanged) -> None:
        """The reason why the list is empty may be another."""
        super().on_freshness_changed(message)
        if self.is_covered:
            return
        self._show_empty()
        self.table.set_class(message.freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED}, "-stale")

    def on_exposures_arrived(self, _: ExposuresArrived) -> None:
        """What is forgotten may be less."""
        if self._view is not None:
            self._view.refilter()
            self.show_rows()

    # What the widgets tell

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter at each key; a query that can't be read leaves the last result."""
        event.stop()
        self.filter_by(event.value)

    def filter_by(self, text: str) -> None:
        """Show what matches; a query that can't be read leaves the last result and is underlined."""
        field = self.query_one(QueryInput)
        try:
            query = self._parse(text)
        except QueryError as problem:
            self._problem = problem
            field.show_mistake(problem.column, problem.length)
        else:
            self._problem = None
            field.show_mistake(None)
            if self._view is not None:
                self._view.query = query
            self.ask_soon()
        self.show_rows(by_user=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Leave the field, keep the filter."""
        event.stop()
        self._ask_platform()
        self.leave_filter()

    def on_fleet_table_cursor_moved(self, message: FleetTable.CursorMoved) -> None:
        """Show the sandbox under the cursor."""
        if message.by_user:
            self._still_until = self.services.clock.monotonic() + STILL_SECONDS
        self._show_inspector()
        if self.table.range_ids:
            self._update_activity()

    def on_fleet_table_opened(self, _: FleetTable.Opened) -> None:
        """Open what was clicked twice."""
        self.action_open()

    # Drawing

    def show_sandbox(self, sandbox_id: str) -> None:
        """Put the cursor on a sandbox, when the filter shows it."""
        self._take_over()
        self.table.move_to(sandbox_id)

    def show_rows(self, *, by_user: bool = False) -> None:
        """Draw the rows of the view as they are now; ``by_user`` when it was the user who asked for other ones."""
        self._show_empty()
        if self._view is not None:
            self.table.show(self._view, by_user=by_user)
            panel = self.query_one("#fleet-panel")
            panel.border_title = Content(f"Sandboxes {self._view.count:,}")
            arrow = sort_arrow(self._view.rising)
            grouped = f"by {clean(self._view.grouping.title)} · " if self._view.grouping is not None else ""
            panel.border_subtitle = Content(f"{grouped}sort: {self._view.order.title} {arrow}")
        self._show_counts()
        self._show_overview()
        self._show_inspector()
        self._update_activity()

    @property
    def marked(self) -> list[Row]:
        """The sandboxes that are marked."""
        return self._view.marked if self._view is not None else []

    def show_marks(self) -> None:
        """Draw the marks as they are now."""
        self.table.refresh_lines_changed()
        self._update_activity()

    def _connect_view(self) -> None:
        session = self.services.platform.session
        if session is None:
            self._view = None
        elif self._view is None or self._view.store is not session.store:
            self._view = FleetView(session.store, self.services.clock)
            if self._problem is None:
                self._view.query = self._parse(self.query_one("#filter", Input).value)
            session.refresher.visible_ids = lambda: self.table.visible_ids

    def _take_over(self) -> None:
        if self._view is not None:
            self._view.update()
        self.show_rows()

    def _thawed(self) -> None:
        self._thaw = None
        left = self._still_until - self.services.clock.monotonic()
        if left > 0:
            self._thaw = self.set_timer(left, self._thawed)
        else:
            self._take_over()

    def ask_soon(self) -> None:
        """Ask the platform for what the filter names, once nobody types any more."""
        if self._asking is not None:
            self._asking.stop()
        self._asking = self.set_timer(TYPING_SECONDS, self._ask_platform)

    def _ask_platform(self) -> None:
        if self._view is not None:
            self.services.platform.ask_for(replace(self._view.query.server, active=self._view.active_only))

    def _parse(self, text: str) -> Query:
        connection, session = self.services.platform.connection, self.services.platform.session
        me = connection.config.user_id if connection is not None else None
        return parse(text, me, session.history.touched if session is not None else frozenset())

    def _complete(self, text: str) -> str | None:
        store = None if self._view is None else self._view.store
        return None if store is None else complete(text, store.totals.labels, store)

    def _show_counts(self) -> None:
        line = self.query_one("#filter-counts", ChromeLine)
        if self._problem is not None:
            line.show([], [Piece(f"✖ column {self._problem.column + 1}: see below ", "bad")])
            return
        session = self.services.platform.session
        if session is None or self._view is None:
            line.show([], [])
            return
        known, shown = len(session.store), self._view.count
        noun = "sandbox" if known == 1 else "sandboxes"
        text = f"{shown:,} shown of {known:,} " if shown != known else f"{known:,} {noun} "
        line.show(self._who_filters(), [Piece(text, "dim")])

    def _who_filters(self) -> list[Piece]:
        """Tell which part of the filter the platform does."""
        session = self.services.platform.session
        if self._view is None or session is None:
            return []
        server = session.refresher.answerable(self._view.query.server)
        if not server:
            return []
        here = " · here: the rest" if self._view.query.has_more_than(server) else ""
        return [Piece(f"⇡ server: {clean(server.text)}{here}", "dim")]

    def _show_overview(self) -> None:
        line = self.query_one("#overview", ChromeLine)
        session, now = self.services.platform.session, self.services.clock.now()
        if session is None or not len(session.store):
            line.show([], [])
            return
        totals = session.store.totals
        soonest = totals.soonest_expiry
        row = session.store.get(soonest[1]) if soonest is not None else None
        right = history_pieces(totals, now) if self.size.width >= WIDE else []
        line.show([Piece(" "), *overview_pieces(totals, row, now)], [*right, Piece(" ")])

    def _show_inspector(self) -> None:
        row = self.target
        panel, text = self.query_one("#inspector"), self.query_one("#inspector-text", TextPanel)
        if not panel.display:
            return
        panel.border_title = Content(clean(row.sandbox.name) if row is not None else "nothing chosen")
        text.show(
            Content("") if row is None else detail(row, self.services.clock.now(), panel.content_size.width, full=False)
        )

    def _show_empty(self) -> None:
        bridge = self.services.platform
        if bridge.problem is not None:
            lines = empty.not_connected(bridge.problem, self.services.key_of)
        elif bridge.session is None:
            lines = empty.connecting()
        else:
            query = "" if self._view is None else self._view.query.text
            lines = empty.why_empty(bridge.freshness, len(bridge.session.store), query, self.services.key_of)
        if lines != self.table.empty:
            self.table.empty = lines
            self.table.refresh_lines_changed()
