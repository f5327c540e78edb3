"""The home screen: the list of sandboxes, filtered and sorted, with an inspector for the current one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.inventory.bulk_plan import DELETE, EGRESS, MEASURE, RUN, Verb
from sandtui.fleet.inventory.cost import Cost
from sandtui.fleet.inventory.groups import Group, grouping, groupings
from sandtui.fleet.inventory.heat import MEASURES
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.query import EVERYTHING, Query, QueryError, complete, parse
from sandtui.fleet.inventory.query.use import is_unmeasured
from sandtui.fleet.inventory.refresh import Phase
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.saved_views import (
    BUILT_IN,
    EVERYTHING_KEY,
    FAILED,
    FAILED_KEY,
    IDLE_KEY,
    REMOVE_KEY,
    SAVE_KEY,
    SavedView,
)
from sandtui.fleet.inventory.view import FleetView
from sandtui.fleet.inventory.view_state import ViewState
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.inventory import empty
from sandtui.ui.inventory.columns_dialog import ColumnLayout, ColumnsDialog
from sandtui.ui.inventory.copying import choose_copy, open_web_console
from sandtui.ui.inventory.egress_dialog import edit_egress
from sandtui.ui.inventory.heat_map import HeatMap, ends_histogram, legend
from sandtui.ui.inventory.inspector import Inspector
from sandtui.ui.inventory.overview import (
    HISTORY_BARS,
    history_pieces,
    orphan_pieces,
    overview_pieces,
    unmeasured_pieces,
)
from sandtui.ui.inventory.query_input import QueryInput
from sandtui.ui.inventory.save_view_dialog import SaveViewDialog
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.inventory.view_memory import ViewMemory
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import ConnectionChanged, ExposuresArrived, FreshnessChanged, LogEndArrived, SandboxesChanged
from sandtui.ui.rendering.text import ELLIPSIS, Content, Piece, content, cut, lines, sort_arrow, width_of
from sandtui.ui.services.bundle import Services
from sandtui.ui.services.sandbox_actions import needs_running
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.text_panel import TextPanel

NEEDS_ROW = frozenset(
    {"exec", "shell", "whole_shell", "files", "logs", "clone", "fork", "copy", "copy_more", "web", "delete", "egress"}
)

NEEDS_LINE = frozenset({"open", "mark", "range"})

NEEDS_ROWS = frozenset({"mark_all", "invert", "many", "measure"})

WORKS_ON_MARKS = frozenset({"exec", "shell", "files", "logs", "fork", "delete", "egress", "many", "measure"})

NEEDS_VIEW = frozenset({"sort", "reverse", "group", "active", "new", "map", "next_measure", "previous_measure"})

MOST_SHELLS = 12

NO_GROUPS = "none"


MANY, LEGEND_SECONDS = 2_000, 1.0
"""With so many sandboxes, those behind the map are counted less often."""

TALL = 30
"""Window height in lines from which the map has a histogram of expiries below it."""

WIDE = 110
"""Window width in cells from which long texts and the bars of the last hour fit."""

TYPING_SECONDS = 0.4
"""Pause after the last key before the filter is sent to the platform, to spare a request for each prefix of a label."""

STORE_SECONDS = 0.5
"""Pause after a change of the list before it is stored, to spare a file for each of several."""

STILL_SECONDS = 1.5
"""How long rows keep their position after a cursor key, so that the row that the user aims at does not move away."""


class FleetScreen(AppScreen):
    """The list of all sandboxes."""

    SCOPE = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("fleet")
    AUTO_FOCUS = "FleetTable"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._view: FleetView | None = None
        self._inspector = True
        self._problem: QueryError | None = None
        self._still_until = self._legend_due = 0.0
        self._thaw: Timer | None = None
        self._asking: Timer | None = None
        self._before_failed: ViewState | None = None
        self._memory = ViewMemory(services)
        self._left: ViewState | None = None
        self._storing: Timer | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="filter-bar"):
            yield Static(Content(f" {self.services.key_of('fleet.filter')} "), id="filter-sign")
            yield QueryInput(self._complete, "filter: text, #label, status:running, age>2h", id="filter")
            yield ChromeLine(id="filter-counts")
        yield ChromeLine(id="overview")
        with Horizontal(id="fleet-body"):
            with Vertical(id="fleet-panel", classes="panel"):
                yield FleetTable(self.services.clock.now, id="fleet-table")
                yield HeatMap(lambda: self.table, self.services.clock.now, id="heat-map")
                yield TextPanel(id="heat-legend")
            yield Inspector(self.services, id="inspector")

    @property
    def view(self) -> FleetView | None:
        """The lines of the table: filter, order, groups and marks. None until there is a connection."""
        return self._view

    def crumbs(self) -> list[str]:
        return ["Fleet"]

    def on_mount(self) -> None:
        self._table = self.query_one(FleetTable)
        self.apply_preferences()
        self._connect_view()
        self.show_rows()

    def on_unmount(self) -> None:
        if self._view is not None:
            self._memory.keep_now(self._state(self._view))

    def on_screen_resume(self) -> None:
        self._take_over()

    def tick(self) -> None:
        super().tick()
        if self._view is not None and self._view.retime():
            self.show_rows()
        else:
            self.table.refresh_lines_changed()
            self._show_overview()
            self._show_inspector()
            if self.shows_map:
                self.heat_map.retime()
                self._show_legend()

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line: a filter error, or the range, the marks and what is hidden."""
        if self._problem is not None:
            where = f"✖ filter, column {self._problem.column + 1}: "
            return [Piece(where, "bad"), Piece(clean(self._problem.message), "bad")], []
        if self._view is None:
            return [], []
        shows = self.services.key_of("fleet.active")
        left = [Piece(f"ended sandboxes hidden ({shows} to show)", "dim")] if self._view.active_only else []
        if count := len(self.table.range_ids):
            left = [
                Piece(f"range: {count} {'row' if count == 1 else 'rows'} · ", "key"),
                Piece(
                    f"{self.services.key_of('fleet.mark')} mark · {self.services.key_of('fleet.back')} cancel",
                    "dim",
                ),
            ]
        left = [*self._orphans(), *left]
        marks = len(self._view.marks)
        if unmeasured := self._view.unmeasured:
            offered = not marks and not self.services.contexts.read_only
            left = [*unmeasured_pieces(unmeasured, self.services.key_of("fleet.measure") if offered else ""), *left]
        if not marks:
            return left, []
        hidden = self._view.marks_hidden
        note = f" ({hidden:,} hidden by the filter)" if hidden else ""
        return left, [Piece(f"{marks:,} marked{note}", "key")]

    def _orphans(self) -> list[Piece]:
        session = self.services.platform.session
        if session is None or not session.store.totals.orphans:
            return []
        key = "" if self.services.contexts.read_only else self.services.key_of("fleet.reap")
        mine = session.leases.orphans
        cost = Cost.of(mine, self.services.clock.now().timestamp()).text()
        return orphan_pieces(len(mine), session.leases.others, key, cost)

    def on_connection_changed(self, _: ConnectionChanged) -> None:
        self._connect_view()
        self.show_rows()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        """Show the changed rows; while the cursor is being moved, redraw them in place only."""
        if self.is_covered:
            return
        left = self._still_until - self.services.clock.monotonic()
        if left > 0:
            self.table.refresh_lines_changed()
            if self._thaw is None:
                self._thaw = self.set_timer(left, self._thawed)
        else:
            self._take_over()

    def on_freshness_changed(self, message: FreshnessChanged) -> None:
        if self.is_covered:
            return
        if message.freshness.phase is not Phase.LOADING and self.table.is_waiting:
            self._take_over()
            if self.table.is_waiting:
                self.table.stop_waiting()
        self._show_empty()
        for each in (self.table, self.heat_map):
            each.set_class(message.freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED}, "-stale")

    def on_exposures_arrived(self, _: ExposuresArrived) -> None:
        if self._view is not None:
            self._view.refilter()
            self.show_rows()

    def on_resize(self, _: events.Resize) -> None:
        if self.is_open and self.shows_map:
            self._legend_due = 0.0
            self.call_after_refresh(self._show_legend)

    def on_log_end_arrived(self, _: LogEndArrived) -> None:
        self._show_inspector()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.filter_by(event.value)

    def filter_by(self, text: str) -> None:
        """Show the matching sandboxes; an invalid query is underlined and leaves the last result."""
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
        event.stop()
        self._ask_platform()
        self.leave_filter()

    def on_fleet_table_cursor_moved(self, message: FleetTable.CursorMoved) -> None:
        if message.by_user:
            self._still_until = self.services.clock.monotonic() + STILL_SECONDS
            self._remember_soon()
        self._show_inspector()
        self.update_hints()
        if self.shows_map:
            self.heat_map.show_cursor()
        if self.table.range_ids:
            self._update_activity()

    def show_sandbox(self, sandbox_id: str) -> None:
        """Move the cursor to a sandbox if the filter shows it."""
        self._take_over()
        self.table.move_to(sandbox_id)

    def show_rows(self, *, by_user: bool = False) -> None:
        """Redraw the rows of the view; ``by_user`` tells whether the user asked for other rows."""
        self._show_empty()
        if by_user:
            self._remember_soon()
        if self._view is not None:
            self.table.show(self._view, by_user=by_user)
            panel = self.query_one("#fleet-panel")
            arrow = sort_arrow(self._view.rising)
            grouped = f"by {clean(self._view.grouping.title)} · " if self._view.grouping is not None else ""
            shown = f"map: {self.heat_map.measure.title} ({self._measure_keys}) · " if self.shows_map else ""
            sort = f"{shown}{grouped}sort: {self._view.order.title} {arrow}"
            known, count = len(self._view.store), self._view.count
            show_frame(panel, f"Sandboxes {count:,}" + (f" of {known:,}" if count != known else ""), sort)
            if self.shows_map:
                self.heat_map.show(self._view)
                self._show_legend()
        self._show_counts()
        self._show_overview()
        self._show_inspector()
        self._update_activity()

    @property
    def marked(self) -> list[Row]:
        return self._view.marked if self._view is not None else []

    def show_marks(self) -> None:
        self.table.refresh_lines_changed()
        if self.shows_map:
            self.heat_map.refresh()
            self.heat_map.show_cursor()
        self._update_activity()

    def _connect_view(self) -> None:
        session = self.services.platform.session
        if self._view is not None and (session is None or self._view.store is not session.store):
            self._left = self._state(self._view)
            self._memory.keep(self._left)
            self._view = None
        if session is not None and self._view is None:
            self._view = FleetView(session.store, self.services.clock)
            session.refresher.visible_ids = lambda: self.lines.visible_ids
            self._recall()

    def _recall(self) -> None:
        """Show the list of a new connection as it was left, and what the user typed meanwhile."""
        typed = self.query_one("#filter", Input).value
        if not self._memory.is_elsewhere and self._left is not None:
            state = replace(self._left, query=typed)
        else:
            state = self._memory.recall() or self._default_state()
            if self._left is None and typed:
                state = replace(state, query=typed)
        self._before_failed = None
        self._restore(state)

    def _default_state(self) -> ViewState:
        """Return how the list of a context is shown that was not shown before: ordered as the last one."""
        chosen = self.preferences
        return ViewState(
            sort=chosen.sort,
            descending=chosen.descending,
            active_only=chosen.active_only,
            columns=tuple(chosen.columns),
            widths=dict(chosen.widths),
        )

    def _remember_soon(self) -> None:
        """Store how the list is shown, once it stays so for a moment."""
        if self._storing is None:
            self._storing = self.set_timer(STORE_SECONDS, self._remember_view)

    def _remember_view(self) -> None:
        self._storing = None
        if self._view is not None:
            self._memory.keep(self._state(self._view))

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
        """Send the filter to the platform once the user stops typing."""
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
        # The field underlines a mistake, and the status line says what it is.
        asked = [] if self._problem is not None else self._who_filters()
        line.show([], [*asked, Piece(" ")] if asked else [])

    def _who_filters(self) -> list[Piece]:
        """Return which part of the filter the platform applies."""
        session = self.services.platform.session
        if self._view is None or session is None:
            return []
        server = session.refresher.answerable(self._view.query.server)
        if not server:
            return []
        text = "API" if self.size.width < WIDE else "filtered by API"
        if not self._view.query.has_more_than(server):
            # The filter itself is on the same line.
            return [Piece(f"⇡ {text}", "dim")]
        return [Piece(f"⇡ {text}: {clean(server.text)} (rest locally)", "dim")]

    def _show_overview(self) -> None:
        line = self.query_one("#overview", ChromeLine)
        session, now = self.services.platform.session, self.services.clock.now()
        if session is None or not len(session.store):
            line.show([], [])
            return
        totals = session.store.totals
        soonest = totals.soonest_expiry
        row = session.store.get(soonest[1]) if soonest is not None else None
        for bars in HISTORY_BARS if self.size.width >= WIDE else ():
            # The bars are the first to go: they leave no room for the name of what ends next.
            right = history_pieces(totals, now, bars)
            room = self.size.width - sum(width_of(piece.text) for piece in right) - 3
            left = overview_pieces(totals, row, now, room, failures=False)
            if not any(ELLIPSIS in piece.text for piece in left):
                break
        else:
            right, left = [], overview_pieces(totals, row, now, self.size.width - 3)
        line.show([Piece(" "), *left], [*right, Piece(" ")])

    def _show_inspector(self) -> None:
        self.query_one(Inspector).show(self.table.cursor_line)

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

    @property
    def preferences(self) -> Preferences:
        return self.services.preferences

    def apply_preferences(self) -> None:
        """Restore columns and inspector as they were left."""
        chosen = self.preferences
        self.table.set_columns(chosen.columns, chosen.widths)
        self._inspector = chosen.inspector
        self.set_class(not chosen.inspector, "-no-inspector")

    def remember(self) -> None:
        """Save the order and what is hidden."""
        chosen, view = self.preferences, self._view
        chosen.inspector = self._inspector
        if view is not None:
            chosen.sort, chosen.descending, chosen.active_only = view.order.id, view.descending, view.active_only
        self.services.save_preferences()

    def action_failed(self) -> None:
        """Show the failed ones, or again what was shown before."""
        if self._is_showing_failed():
            self._leave_failed()
        elif self._view is not None:
            before = self._state(self._view)
            self.show_view(FAILED_KEY)
            self._before_failed = before

    def _is_showing_failed(self) -> bool:
        view, field = self._view, self.query_one("#filter", Input)
        return view is not None and field.value == FAILED.query and view.order.id == FAILED.sort

    def _leave_failed(self) -> None:
        before, self._before_failed = self._before_failed, None
        # After a start the list before is not known.
        self._restore(before or replace(ViewState(), columns=tuple(self.preferences.columns)))

    def _state(self, view: FleetView) -> ViewState:
        """Return how the list is shown now."""
        table, chosen = self._table, self.preferences
        return replace(
            view.state,
            columns=tuple(chosen.columns),
            widths=dict(chosen.widths),
            cursor=table.wanted_id or "",
            line=max(0, table.cursor - table.scroll_offset.y),
        )

    def _restore(self, state: ViewState) -> None:
        """Show the list as it was, as far as its sandboxes are still there."""
        view, chosen = self._view, self.preferences
        if view is None:
            return
        view.arrange(replace(state, query=""), EVERYTHING)
        columns, widths = list(state.columns), dict(state.widths)
        if (columns, widths) != (chosen.columns, chosen.widths):
            chosen.columns, chosen.widths = columns, widths
            self.table.set_columns(columns, widths)
        field = self.query_one(QueryInput)
        with field.prevent(Input.Changed):
            field.value = state.query
        self.filter_by(state.query)
        self.table.return_to(state.cursor, state.line)

    def action_views(self) -> None:
        saved = self.preferences.views
        choices = [Choice(EVERYTHING_KEY, EVERYTHING_KEY, "all", "all sandboxes, newest first")]
        choices += [Choice(view.key, view.key, view.name, view.words or view.query) for view in (*BUILT_IN, *saved)]
        note = f"enter select · {SAVE_KEY} save view · {REMOVE_KEY} delete saved view · esc close"

        def chosen(key: str | None) -> None:
            if key == SAVE_KEY:
                self._ask_view_name()
            elif key == REMOVE_KEY:
                self._ask_which_to_delete()
            elif key:
                self.show_view(key)

        dialog = ChooseDialog("Views", choices, note, extra=((SAVE_KEY, SAVE_KEY), (REMOVE_KEY, REMOVE_KEY)))
        self.app.push_screen(dialog, chosen)

    def show_view(self, key: str) -> None:
        """Show a view by its key."""
        self._before_failed = None
        view = next((each for each in (*BUILT_IN, *self.preferences.views) if each.key == key), None)
        wanted = view or SavedView(EVERYTHING_KEY, "all", "")
        if key == IDLE_KEY:
            self.services.platform.learn_exposures()
        if self._view is not None:
            if self._view.order.id != wanted.sort:
                self._view.sort_by(wanted.sort)
            if self._view.descending != wanted.descending:
                self._view.reverse()
            self._view.group_by(grouping(wanted.group))
            if self._view.active_only:
                # With ended sandboxes hidden, a view of failed ones would be empty.
                self._view.active_only = False
                self.ask_soon()
                self.remember()
        field = self.query_one("#filter", Input)
        field.value = wanted.query
        # At once, not on the change event of the field: what follows needs the rows of the view.
        self.filter_by(wanted.query)
        self.leave_filter()
        # The sandbox that was under the cursor may be anywhere in the new list, or not in it.
        self.table.show_top()

    def _ask_view_name(self) -> None:
        view = self._view
        if view is None:
            return

        def on_result(answer: tuple[str, str] | None) -> None:
            if answer is None:
                return
            name, key = answer
            group = view.grouping.id if view.grouping is not None else ""
            saved = SavedView(key, name, view.query.text, view.order.id, view.descending, group)
            self.preferences.keep_view(saved)
            self.services.save_preferences()
            self.services.notifier.notify(f'View "{name}" saved ({self.services.key_of("fleet.views")} {key})')

        taken = [each.key for each in self.preferences.views]
        self.app.push_screen(SaveViewDialog(view.query.text or "all", taken), on_result)

    def _ask_which_to_delete(self) -> None:
        saved = self.preferences.views
        if not saved:
            self.services.notifier.refuse("No saved views", "views")
            return

        def on_result(key: str | None) -> None:
            if key and self.preferences.drop_view(key):
                self.services.save_preferences()

        choices = [Choice(view.key, view.key, view.name, view.query) for view in saved]
        self.app.push_screen(ChooseDialog("Delete a view", choices), on_result)

    def action_group(self) -> None:
        view = self._view
        if view is None:
            return
        options, digits = groupings(view.store.totals.labels), iter("123456789")
        choices = [Choice(NO_GROUPS, "0", "none")]
        choices += [Choice(each.id, each.letter or next(digits, ""), each.title) for each in options]

        def chosen(group_id: str | None) -> None:
            if group_id:
                view.group_by(grouping(group_id))
                self.show_rows(by_user=True)
                self._show_first_group()

        self.app.push_screen(ChooseDialog("Group by", choices), chosen)

    def _show_first_group(self) -> None:
        """Go to the top after grouping, or the first group headers would be above the window."""
        if self._view is not None and self._view.grouping is not None:
            self.table.show_top()

    def action_fold(self) -> None:
        if self._view is not None and self._view.grouping is not None:
            self._view.toggle_all_groups()
            self.show_rows(by_user=True)

    def action_columns(self) -> None:
        chosen = self.preferences

        def on_result(layout: ColumnLayout | None) -> None:
            if layout is not None:
                chosen.columns, chosen.widths = layout
                self.table.set_columns(chosen.columns, chosen.widths)
                self.services.save_preferences()
                self._remember_soon()

        self.app.push_screen(ColumnsDialog(chosen.columns, chosen.widths), on_result)

    def on_fleet_table_column_resized(self, message: FleetTable.ColumnResized) -> None:
        chosen = self.preferences
        chosen.widths[message.column_id] = message.width
        self.table.set_columns(chosen.columns, chosen.widths)
        self.services.save_preferences()
        self._remember_soon()

    def on_fleet_table_sort_chosen(self, message: FleetTable.SortChosen) -> None:
        if self._view is not None:
            self._view.sort_by(message.column_id)
            self.remember()
            self.show_rows(by_user=True)

    def action_sort(self) -> None:
        if self._view is not None:
            self._view.sort_by_next([placed.column.id for placed in self.table.placed])
            self.show_rows(by_user=True)
        self.remember()

    def action_reverse(self) -> None:
        if self._view is not None:
            self._view.reverse()
            self.show_rows(by_user=True)
        self.remember()

    def action_active(self) -> None:
        if self._view is not None:
            self._view.active_only = not self._view.active_only
            self.show_rows(by_user=True)
        self.ask_soon()
        self.remember()

    def action_inspector(self) -> None:
        self._inspector = not self._inspector
        self.set_class(not self._inspector, "-no-inspector")
        self.remember()

    @on(FleetTable.Opened)
    def action_open(self) -> None:
        line = self.table.cursor_line
        if isinstance(line, Group) and self._view is not None:
            self._view.toggle_group(line.id)
            self.show_rows(by_user=True)
        elif line is not None:
            self.services.navigator.open_detail(line.id)

    @property
    def group(self) -> Group | None:
        """The group whose header has the cursor, unless marks are what is acted on."""
        line = self.table.cursor_line
        return line if isinstance(line, Group) and self._view is not None and not self._view.marks else None

    @property
    def several(self) -> list[Row]:
        """What is acted on as a whole: the marked rows, or those of the group under the cursor."""
        if self._view is not None and self._view.marks:
            return self._view.marked
        return list(self.group.rows) if self.group is not None else []

    def _ask_bulk(self, verb: Verb, rows: Sequence[Row]) -> None:
        """Show the plan of an operation on :attr:`several`."""
        group = self._group_title(self.group) if self.group is not None else ""
        self.services.bulk.ask(verb, rows, self._hidden_marks(), group=group)

    def _group_title(self, group: Group) -> str:
        by = self._view.grouping.title if self._view is not None and self._view.grouping is not None else ""
        return f"{by} {group.key}"

    def action_exec(self) -> None:
        several = self.several
        running = [row for row in several if row.status == "RUNNING"]
        if len(running) > 1:
            if len(running) < len(several):
                what = "in the group" if self.group is not None else "marked"
                count = len(several) - len(running)
                self.services.notifier.notify(f"{_sandboxes(count)} {what} skipped (not running)")
            self.services.navigator.open_fan_out(running)
        elif several and not running:
            self.services.notifier.refuse(self.services.bulk.why_none(RUN, several), "exec")
        elif running:
            self.services.navigator.open_console(running[0].id)
        elif (row := self.target) is not None:
            self.services.navigator.open_console(row.id)

    def action_fan_outs(self) -> None:
        self.services.navigator.open_latest_fan_out()

    def action_shell(self) -> None:
        several, group = self.several, self.group
        # Of a group nobody has chosen those that have ended.
        rows = several if group is None else [row for row in several if row.status == "RUNNING"]
        if group is not None and not rows:
            self.services.notifier.refuse(self.services.bulk.why_none(RUN, several), "shell")
        elif len(rows) > MOST_SHELLS:
            has = "marked" if group is None else "in the group run"
            self.services.notifier.notify(
                f"{len(rows):,} sandboxes {has}, but at most {MOST_SHELLS} shells open at once: mark fewer", "warning"
            )
        else:
            chosen = rows or ([self.target] if self.target is not None else [])
            self.services.navigator.open_shells([row.id for row in chosen])

    def action_whole_shell(self) -> None:
        if (row := self.target) is not None:
            self.services.navigator.attach_shell(row.id)

    def action_recordings(self) -> None:
        self.services.navigator.open_recordings()

    def action_files(self) -> None:
        self.open_files(lambda why: self.services.notifier.refuse(why, "files"))

    def open_files(self, refuse: Callable[[str], None]) -> None:
        """Show the files of the marked sandboxes or the current one, or tell ``refuse`` why not."""
        several = self.several
        rows = several or ([self.target] if self.target is not None else [])
        running = [row.id for row in rows if row.status == "RUNNING"]
        if running:
            self.services.navigator.open_files(running)
        else:
            why = self.services.bulk.why_none(RUN, rows) if several else "Select a running sandbox to browse its files"
            refuse(why)

    def action_ports(self) -> None:
        row = self.target
        marks = [*self._view.marks] if self._view is not None else []
        self.services.navigator.open_ports(row.id if row is not None else None, marks)

    def action_egress(self) -> None:
        several, row = self.several, self.target
        if several:
            self._ask_bulk(EGRESS, several)
        elif row is not None and not EGRESS.possible(row):
            self.services.notifier.refuse(self.services.bulk.why_none(EGRESS, [row]), "egress")
        elif row is not None:
            edit_egress(self.app, self.services, row)

    def action_jobs(self) -> None:
        rows = self.several or ([self.target] if self.target is not None else [])
        self.services.navigator.open_jobs([row.id for row in rows])

    def action_logs(self) -> None:
        if several := self.several:
            self.services.navigator.open_logs([row.id for row in several])
        elif (row := self.target) is not None:
            self.services.navigator.open_log(row.id)

    def action_new(self) -> None:
        self.services.navigator.open_create()

    def action_clone(self) -> None:
        if (row := self.target) is not None:
            self.services.navigator.open_create(row.sandbox)

    def action_fork(self) -> None:
        rows = self.several or ([self.target] if self.target is not None else [])
        self.services.sandboxes.fork([row.id for row in rows])

    def action_copy(self) -> None:
        if (row := self.target) is not None:
            self.services.clipboard.copy(row.id)

    def action_copy_more(self) -> None:
        if (row := self.target) is not None:
            choose_copy(self.app, self.services, row)

    def action_web(self) -> None:
        if (row := self.target) is not None:
            open_web_console(self.services, row.id)

    def action_mark(self) -> None:
        view, line = self._view, self.table.cursor_line
        if view is None or line is None:
            return
        ranged = self.table.range_ids
        if ranged:
            view.mark(ranged)
            self.table.set_anchor(False)
        elif isinstance(line, Group):
            self._toggle_group_marks(view, line)
        else:
            view.toggle_mark(line.id)
        self.table.action_move(1)
        self.show_marks()

    def action_range(self) -> None:
        if self.table.range_ids:
            self.action_mark()
        else:
            self.table.set_anchor(True)
            self.show_marks()

    def action_mark_all(self) -> None:
        if self._view is not None:
            self._view.mark_all()
            self.show_marks()

    def action_invert(self) -> None:
        if self._view is not None:
            self._view.invert_marks()
            self.show_marks()

    def action_unmark(self) -> None:
        if self._view is not None:
            self._view.unmark_all()
            self.table.set_anchor(False)
            self.show_marks()

    def chosen_rows(self) -> Sequence[Row]:
        """Return the marked rows, or those under the cursor if the user has moved it there."""
        if self._view is None:
            return []
        if self._view.marks:
            return self._view.marked
        rows = self.several or ([self.target] if self.target is not None else [])
        if rows and not self.table.armed:
            key = self.services.key_of("fleet.delete")
            reason = f"Nothing is selected: the list changed. Move the cursor, then press {key}"
            self.services.notifier.refuse(reason, "delete")
            return []
        return rows

    def action_delete(self) -> None:
        rows = self.chosen_rows()
        if rows:
            self._ask_bulk(DELETE, rows)

    def action_reap(self) -> None:
        """Delete what is orphaned, after the usual plan; what other people left is theirs to delete."""
        session = self.services.platform.session
        if session is not None and (rows := session.leases.orphans):
            self.services.bulk.ask(
                DELETE, rows, shown={row.id for row in self._view.rows} if self._view else None, group="orphaned"
            )

    def action_many(self) -> None:
        view = self._view
        if view is None or not view.store.rows:
            return
        if view.marks:
            self.services.bulk.choose(view.marked, self._hidden_marks(), f"Bulk actions · {len(view.marks):,} marked")
        elif (group := self.group) is not None:
            what = f"Bulk actions · {_sandboxes(len(group.rows))}, {clean(self._group_title(group))}"
            self.services.bulk.choose(group.rows, 0, what, group=self._group_title(group))
        elif view.count:
            matching = f" matching {view.query.text}" if view.query else ""
            what = f"Bulk actions · {_sandboxes(view.count)}{matching}"
            # The platform can delete by label only what a filter of nothing but labels matches.
            labels = view.query.labels if len(view.query.labels) == len(view.query.term.terms) else ()
            self.services.bulk.choose(view.rows, 0, what, labels)

    def action_measure(self) -> None:
        view = self._view
        if view is None:
            return
        if several := self.several:
            self._ask_bulk(MEASURE, several)
        else:
            rows = [row for row in view.measurable if is_unmeasured(row) or not view.unmeasured]
            self.services.bulk.ask(MEASURE, rows, shown={row.id for row in view.rows})

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Mark exactly these sandboxes."""
        if self._view is not None:
            self._view.unmark_all()
            self._view.mark(sandbox_id for sandbox_id in sandbox_ids if sandbox_id in self._view.store)
            self.show_marks()

    def _hidden_marks(self) -> int:
        return self._view.marks_hidden if self._view is not None and self._view.marks else 0

    def action_filter(self) -> None:
        self.query_one("#filter", Input).focus()

    def leave_filter(self) -> None:
        """Focus the list; as the user asked for this list, the sandbox under the cursor counts as selected."""
        self.table.arm()
        self.lines.focus()

    def action_quit(self) -> None:
        self.services.quitting.ask()

    def action_back(self) -> None:
        field = self.query_one("#filter", Input)
        if field.has_focus:
            self.leave_filter()
        elif self.table.range_ids:
            self.table.set_anchor(False)
            self.show_marks()
        elif self._is_showing_failed():
            self._leave_failed()
        elif field.value:
            field.value = ""
        elif self._view is not None and self._view.marks:
            self.action_unmark()

    @staticmethod
    def _toggle_group_marks(view: FleetView, group: Group) -> None:
        inside = {row.id for row in group.rows}
        if inside <= view.marks:
            view.marks -= inside
        else:
            view.mark(inside)

    # The map

    @property
    def heat_map(self) -> HeatMap:
        """The map of the fleet."""
        return self.query_one(HeatMap)

    @property
    def shows_map(self) -> bool:
        """Whether the map stands in the place of the list."""
        return self.has_class("-map")

    @property
    def lines(self) -> FleetTable | HeatMap:
        """The list, or the map in its place."""
        return self.heat_map if self.shows_map else self.table

    def action_map(self) -> None:
        """Show the map in the place of the list, or the list again."""
        had_focus = self.lines.has_focus
        self.toggle_class("-map")
        self.show_rows(by_user=True)
        if had_focus:
            self.lines.focus()
        # Its place among the cells is known after the layout.
        self.call_after_refresh(self.show_marks)

    def action_next_measure(self) -> None:
        self._show_measure(1)

    def action_previous_measure(self) -> None:
        self._show_measure(-1)

    @property
    def _measure_keys(self) -> str:
        return f"{self.services.key_of('fleet.previous_measure')} {self.services.key_of('fleet.next_measure')}"

    def _show_measure(self, step: int) -> None:
        measure = MEASURES[(MEASURES.index(self.heat_map.measure) + step) % len(MEASURES)]
        self.heat_map.show_measure(measure)
        self._legend_due = 0.0
        self.show_rows()

    def _show_legend(self) -> None:
        if self._view is None:
            return
        if self._view.count > MANY and self.services.clock.monotonic() < self._legend_due:
            return
        self._legend_due = self.services.clock.monotonic() + LEGEND_SECONDS
        text, now = self.query_one("#heat-legend", TextPanel), self.services.clock.now().timestamp()
        # Its own size is known only after it was shown.
        width = self.query_one("#fleet-panel").content_size.width - 2
        rows = legend(self._view, self.heat_map.measure, now, width)
        if self.size.height >= TALL:
            rows = [[], *ends_histogram(self._view, now), *rows]
        text.show(lines([content(" ", *cut(row, width)) for row in rows]))

    @on(HeatMap.Opened)
    def cell_opened(self) -> None:
        self.action_open()

    @property
    def table(self) -> FleetTable:
        return self.query_one(FleetTable)

    @property
    def target(self) -> Row | None:
        line = self.table.cursor_line
        return line if isinstance(line, Row) else None

    @property
    def sandboxes(self) -> Sequence[str]:
        return [row.id for row in self.several or ([self.target] if self.target is not None else [])]

    def subject(self) -> str:
        """Return the number of marked sandboxes, or the name of the current one."""
        marks = len(self._view.marks) if self._view is not None else 0
        if marks:
            return f"{marks:,} marked"
        if (group := self.group) is not None:
            return f"{len(group.rows):,} in {group.key}"
        return self.target.sandbox.name if self.target is not None else ""

    def why_not(self, action: str) -> str:
        """Return why an action has nothing to act on, or an empty text."""
        view, key = self._view, self.services.key_of
        if action == "inspector" and self.has_class("-narrow"):
            return f"The window is too narrow for the inspector: press {key('fleet.open')} for details"
        if action in NEEDS_ROW | NEEDS_LINE | NEEDS_ROWS | NEEDS_VIEW and view is None:
            return f"Not connected: press {key('app.refresh')} to retry"
        if view is None or (action in WORKS_ON_MARKS and self.several):
            return ""
        if action in {"next_measure", "previous_measure"} and not self.shows_map:
            return f"Open the map first: press {key('fleet.map')}"
        if action == "unmark":
            return (
                "" if view.marks or self.table.range_ids else f"No marks: press {key('fleet.mark')} to mark a sandbox"
            )
        if action == "fold":
            return "" if view.grouping is not None else f"Not grouped: press {key('fleet.group')} to group"
        if action == "back":
            return self._nothing_to_undo(view)
        if action == "reap":
            return self._no_orphans()
        if action in NEEDS_ROWS:
            # Sandboxes may match a filter on usage only once they are measured.
            rows = view.measurable if action == "measure" else view.count
            return "" if rows else self._why_empty(view)
        if action == "range" and isinstance(self.table.cursor_line, Group):
            return f"A range starts at a sandbox: press {key('fleet.mark')} to mark the whole group"
        if action in NEEDS_LINE:
            return "" if self.table.cursor_line is not None else self._why_empty(view)
        if action in NEEDS_ROW and self.target is None:
            return self._why_empty(view)
        return ""

    def refuses(self, action: str) -> bool:
        target = self.target
        return needs_running(action, self.several or ([target] if target is not None else []))

    def _no_orphans(self) -> str:
        session = self.services.platform.session
        if session is None or session.leases.orphans:
            return ""
        others = session.leases.others
        return f"The {others:,} orphaned belong to other people" if others else "No sandbox is orphaned"

    def _why_empty(self, view: FleetView) -> str:
        if not view.store.rows:
            return f"No sandboxes yet: press {self.services.key_of('fleet.new')} to create one"
        if not view.count:
            clear, ended = self.services.key_of("fleet.back"), self.services.key_of("fleet.active")
            return f"No sandboxes match: {clear} clears the filter, {ended} shows ended ones"
        return "Select a sandbox first"

    def _nothing_to_undo(self, view: FleetView) -> str:
        field = self.query_one(QueryInput)
        if field.has_focus or field.value or view.marks or self.table.range_ids:
            return ""
        return f"No filter and no marks to clear. Press {self.services.key_of('fleet.quit')} to quit"


def _sandboxes(count: int) -> str:
    return f"{count:,} {'sandbox' if count == 1 else 'sandboxes'}"
