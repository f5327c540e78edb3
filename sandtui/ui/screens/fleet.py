"""The home screen: the fleet, filtered and sorted, with the chosen sandbox beside it."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.query import EVERYTHING, Query, QueryError, parse
from sandtui.fleet.refresh import Phase
from sandtui.fleet.sanitize import clean
from sandtui.fleet.store import Row
from sandtui.fleet.view import FleetView
from sandtui.ui.keymap import bindings
from sandtui.ui.messages import ConnectionChanged, FreshnessChanged, SandboxesChanged
from sandtui.ui.render.detail import detail
from sandtui.ui.render.text import Content, Piece
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.widgets.fleet_table import FleetTable
from sandtui.ui.widgets.line import ChromeLine


class FleetScreen(AppScreen):
    """All sandboxes."""

    SCOPE = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("fleet")
    AUTO_FOCUS = "FleetTable"

    def __init__(self) -> None:
        super().__init__()
        self._view: FleetView | None = None
        self._problem: QueryError | None = None
        self._inspector = True

    def compose_body(self) -> Iterable[Widget]:
        """Filter, table and the panel beside it."""
        with Horizontal(id="filter-bar"):
            yield Static(Content(" / "), id="filter-sign")
            yield Input(placeholder="filter: words, #label, status:running", compact=True, id="filter")
            yield ChromeLine(id="filter-counts")
        with Horizontal(id="fleet-body"):
            with Vertical(id="fleet-panel", classes="panel"):
                yield FleetTable(self.bridge.clock.now, id="fleet-table")
            with VerticalScroll(id="inspector", classes="panel", can_focus=False):
                yield Static(id="inspector-text")

    @property
    def table(self) -> FleetTable:
        """The table."""
        return self.query_one(FleetTable)

    def crumbs(self) -> list[str]:
        """We are at the top."""
        return ["Fleet"]

    def on_mount(self) -> None:
        """Draw what is known already."""
        super().on_mount()
        self._connect_view()
        self._show_all()

    def tick(self) -> None:
        """Let the ages grow."""
        super().tick()
        self.table.refresh()
        self._show_inspector()

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell about marks, order and what is hidden."""
        if self._problem is not None:
            where = f"✖ filter, column {self._problem.column + 1}: "
            return [Piece(where, "bad"), Piece(clean(self._problem.message), "bad")], []
        if self._view is None:
            return [], []
        left = [Piece("ended ones are hidden, a shows them", "dim")] if self._view.active_only else []
        marks = len(self._view.marks)
        if not marks:
            return left, []
        return left, [Piece(f"{marks} marked ({self._view.marks_hidden} hidden by filter)", "key")]

    # What the bridge tells

    def on_connection_changed(self, message: ConnectionChanged) -> None:
        """Start with the rows of the new connection."""
        super().on_connection_changed(message)
        self._connect_view()
        self._show_all()

    def on_sandboxes_changed(self, message: SandboxesChanged) -> None:
        """Take over the changed rows."""
        self._show_all()
        super().on_sandboxes_changed(message)

    def on_freshness_changed(self, message: FreshnessChanged) -> None:
        """The reason why the list is empty may be another."""
        super().on_freshness_changed(message)
        self._show_empty()
        self.table.refresh()
        self.table.set_class(message.freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED}, "-stale")

    # What the widgets tell

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter at each key; a query that can't be read leaves the last result."""
        event.stop()
        try:
            query = parse(event.value)
        except QueryError as problem:
            self._problem = problem
        else:
            self._problem = None
            if self._view is not None:
                self._view.query = query
                self._view.rebuild()
        self._show_rows()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Leave the field, keep the filter."""
        event.stop()
        self.table.focus()

    def on_fleet_table_cursor_moved(self, _: FleetTable.CursorMoved) -> None:
        """Show the sandbox under the cursor."""
        self._show_inspector()

    def on_fleet_table_opened(self, message: FleetTable.Opened) -> None:
        """Open what was clicked twice."""
        self.dashboard.open_detail(message.sandbox_id)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that need a sandbox do nothing without one."""
        needs_row = {"open", "mark", "exec", "logs", "clone", "delete", "copy"}
        return not (action in needs_row and self._target() is None and not (self._view and self._view.marks))

    def action_open(self) -> None:
        """Show everything about the sandbox."""
        if (row := self._target()) is not None:
            self.dashboard.open_detail(row.id)

    def action_mark(self) -> None:
        """Mark the sandbox and go to the next."""
        row = self._target()
        if row is not None and self._view is not None:
            self._view.toggle_mark(row.id)
            self.table.action_move(1)
            self._marks_changed()

    def action_mark_all(self) -> None:
        """Mark all that the filter shows."""
        if self._view is not None:
            self._view.mark_all()
            self._marks_changed()

    def action_unmark(self) -> None:
        """Take all marks away."""
        if self._view is not None:
            self._view.marks.clear()
            self._marks_changed()

    def action_exec(self) -> None:
        """Open the console of the sandbox."""
        if (row := self._target()) is not None:
            self.dashboard.open_console(row.id)

    def action_logs(self) -> None:
        """Read the log."""
        if (row := self._target()) is not None:
            self.dashboard.open_log(row.id)

    def action_new(self) -> None:
        """Open the create form."""
        self.dashboard.open_create()

    def action_clone(self) -> None:
        """Open the create form with the fields of this sandbox."""
        if (row := self._target()) is not None:
            self.dashboard.open_create(row.sandbox)

    def action_delete(self) -> None:
        """Ask, and delete the marked sandboxes or this one."""
        if self._view is None:
            return
        rows = self._view.marked
        if not rows:
            row = self._target()
            if row is not None and not self.table.armed:
                self.dashboard.say("The list moved under the cursor: choose the sandbox again.", "warning")
                return
            rows = [row] if row is not None else []
        self.dashboard.ask_delete(rows)

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter", Input).focus()

    def action_sort(self) -> None:
        """Take the next order."""
        if self._view is not None:
            self._view.sort_by_next()
            self._show_rows()

    def action_reverse(self) -> None:
        """Turn the order round."""
        if self._view is not None:
            self._view.reverse()
            self._show_rows()

    def action_active(self) -> None:
        """Hide or show what has ended."""
        if self._view is not None:
            self._view.active_only = not self._view.active_only
            self._view.rebuild()
            self._show_rows()

    def action_inspector(self) -> None:
        """Hide or show the panel beside the list."""
        self._inspector = not self._inspector
        self.set_class(not self._inspector, "-no-inspector")

    def action_copy(self) -> None:
        """Copy the id."""
        if (row := self._target()) is not None:
            self.dashboard.copy(row.id)

    def action_back(self) -> None:
        """Undo one step: leave the field, clear the filter, take the marks away."""
        field = self.query_one("#filter", Input)
        if field.has_focus:
            self.table.focus()
        elif field.value:
            field.value = ""
        elif self._view is not None and self._view.marks:
            self.action_unmark()

    # Drawing

    def show_sandbox(self, sandbox_id: str) -> None:
        """Put the cursor on a sandbox, when the filter shows it."""
        self._show_all()
        self.table.move_to(sandbox_id)

    def _connect_view(self) -> None:
        session = self.bridge.session
        if session is None:
            self._view = None
        elif self._view is None or self._view.store is not session.store:
            self._view = FleetView(session.store)
            self._view.query = EVERYTHING if self._problem else self._current_query()

    def _current_query(self) -> Query:
        return parse(self.query_one("#filter", Input).value)

    def _target(self) -> Row | None:
        session, sandbox_id = self.bridge.session, self.table.cursor_id
        return session.store.get(sandbox_id) if session is not None and sandbox_id is not None else None

    def _marks_changed(self) -> None:
        self.table.refresh()
        self._show_rows()

    def _show_all(self) -> None:
        if self._view is not None:
            self._view.rebuild()
        self._show_rows()

    def _show_rows(self) -> None:
        self._show_empty()
        if self._view is not None:
            self.table.show(self._view)
            panel = self.query_one("#fleet-panel")
            panel.border_title = Content(f"Sandboxes {len(self._view.rows):,}")
            arrow = "↓" if self._view.descending else "↑"
            panel.border_subtitle = Content(f"sort: {self._view.order.title} {arrow}")
        self._show_counts()
        self._show_inspector()
        self._update_activity()

    def _show_counts(self) -> None:
        line = self.query_one("#filter-counts", ChromeLine)
        if self._problem is not None:
            line.show([], [Piece(f"✖ column {self._problem.column + 1}: see below ", "bad")])
            return
        session = self.bridge.session
        if session is None or self._view is None:
            line.show([], [])
            return
        known, shown = len(session.store), len(self._view.rows)
        noun = "sandbox" if known == 1 else "sandboxes"
        text = f"{shown:,} shown of {known:,} " if shown != known else f"{known:,} {noun} "
        line.show([], [Piece(text, "dim")])

    def _show_inspector(self) -> None:
        row = self._target()
        text = self.query_one("#inspector-text", Static)
        panel = self.query_one("#inspector")
        if row is None:
            panel.border_title = Content("nothing chosen")
            text.update(Content(""))
            return
        panel.border_title = Content(f"{clean(row.sandbox.name)}")
        text.update(detail(row, self.bridge.clock.now(), panel.content_size.width, full=False))

    def _show_empty(self) -> None:
        self.table.empty = self._why_empty()

    def _why_empty(self) -> list[list[Piece]]:
        bridge = self.bridge
        if bridge.problem is not None:
            advice = [[Piece(clean(line), "dim")] for line in bridge.problem.advice.splitlines()]
            words = [[Piece(clean(line), "bad")] for line in bridge.problem.message.splitlines()]
            return [*words, [], *advice, [], [Piece("r", "key"), Piece(" tries again", "dim")]]
        if bridge.session is None:
            return [[Piece("◌ ", "waiting"), Piece("connecting …", "dim")]]
        if bridge.freshness.phase is Phase.LOADING:
            return [[Piece("◌ ", "waiting"), Piece("loading the fleet …", "dim")]]
        if bridge.freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED}:
            return [
                [Piece("No data yet", "bright")],
                [],
                *[[Piece(line, "bad")] for line in wrap(clean(bridge.freshness.problem), 60)],
                [],
                [Piece("r", "key"), Piece(" tries again now", "dim")],
            ]
        if len(bridge.session.store) == 0:
            return [
                [Piece("No sandboxes yet", "bright")],
                [],
                [
                    Piece("n", "key"),
                    Piece(" creates one   ", "dim"),
                    Piece("?", "key"),
                    Piece(" shows all keys", "dim"),
                ],
            ]
        query = self.query_one("#filter", Input).value
        if query:
            return [
                [Piece("No sandbox matches ", "bright"), Piece(clean(query), "info")],
                [],
                [Piece("esc", "key"), Piece(" clears the filter", "dim")],
            ]
        return [
            [Piece("All sandboxes have ended", "bright")],
            [],
            [Piece("a", "key"), Piece(" shows them", "dim")],
        ]
