"""The home screen: the fleet, filtered and sorted, with the chosen sandbox beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.inventory.bulk_plan import DELETE, MEASURE, RUN
from sandtui.fleet.inventory.groups import Group, grouping, groupings
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.query import Query, QueryError, complete, parse
from sandtui.fleet.inventory.query.use import is_unmeasured
from sandtui.fleet.inventory.refresh import Phase
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.saved_views import (
    BUILT_IN,
    EVERYTHING_KEY,
    FAILED_KEY,
    IDLE_KEY,
    REMOVE_KEY,
    SAVE_KEY,
    SavedView,
    check_key,
)
from sandtui.fleet.inventory.view import FleetView
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.inventory import empty
from sandtui.ui.inventory.columns import SHOWN_FIRST
from sandtui.ui.inventory.columns_dialog import Answer, ColumnsDialog
from sandtui.ui.inventory.copying import choose_copy, open_web_page
from sandtui.ui.inventory.detail import detail
from sandtui.ui.inventory.overview import history_pieces, overview_pieces, unmeasured_pieces
from sandtui.ui.inventory.query_input import QueryInput
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import ConnectionChanged, ExposuresArrived, FreshnessChanged, SandboxesChanged
from sandtui.ui.rendering.text import Content, Piece, sort_arrow
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.text_panel import TextPanel

NEEDS_ROW = frozenset({"exec", "shell", "whole_shell", "logs", "clone", "copy", "copy_more", "web", "delete"})

NEEDS_LINE = frozenset({"open", "mark", "range"})

NEEDS_ROWS = frozenset({"mark_all", "invert", "many", "measure"})

WORKS_ON_MARKS = frozenset({"exec", "shell", "logs", "delete", "many", "measure"})

NEEDS_VIEW = frozenset({"sort", "reverse", "group", "active", "new"})

MOST_SHELLS = 12

NO_GROUPS = "none"


WIDE = 110
"""So wide a window has room for the bars of the last hour."""

TYPING_SECONDS = 0.4
"""The platform is asked for what the filter names so long after the last key, not for each beginning of a label."""

STILL_SECONDS = 1.5
"""So long after a cursor key no row changes its place: what the user aims at stays where it is."""


class FleetScreen(AppScreen):
    """All sandboxes."""

    SCOPE = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("fleet")
    AUTO_FOCUS = "FleetTable"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._view: FleetView | None = None
        self._inspector = True
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

    @property
    def view(self) -> FleetView | None:
        """The lines of the table: filter, order, groups and marks. None until there is a connection."""
        return self._view

    def crumbs(self) -> list[str]:
        """We are at the top."""
        return ["Fleet"]

    def on_mount(self) -> None:
        """Draw what is known already."""
        self._connect_view()
        self.apply_preferences()
        self.show_rows()

    def on_screen_resume(self) -> None:
        """Take over what came while another screen was in front."""
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

    def on_connection_changed(self, _: ConnectionChanged) -> None:
        """Start with the rows of the new connection."""
        self._connect_view()
        self.apply_preferences()
        self.show_rows()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
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

    def on_freshness_changed(self, message: FreshnessChanged) -> None:
        """The reason why the list is empty may be another."""
        if self.is_covered:
            return
        self._show_empty()
        self.table.set_class(message.freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED}, "-stale")

    def on_exposures_arrived(self, _: ExposuresArrived) -> None:
        """What is forgotten may be less."""
        if self._view is not None:
            self._view.refilter()
            self.show_rows()

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

    @property
    def preferences(self) -> Preferences:
        """What is remembered."""
        return self.services.preferences

    def apply_preferences(self) -> None:
        """Show the list as it was left."""
        chosen = self.preferences
        self.table.set_columns(chosen.columns or SHOWN_FIRST, chosen.widths)
        self._inspector = chosen.inspector
        self.set_class(not chosen.inspector, "-no-inspector")
        view = self._view
        if view is not None:
            if view.order.id != chosen.sort:
                view.sort_by(chosen.sort)
            if view.descending != chosen.descending:
                view.reverse()
            if view.active_only != chosen.active_only:
                view.active_only = chosen.active_only
                self.ask_soon()

    def remember(self) -> None:
        """Keep the order and what is hidden for the next time."""
        chosen, view = self.preferences, self._view
        chosen.inspector = self._inspector
        if view is not None:
            chosen.sort, chosen.descending, chosen.active_only = view.order.id, view.descending, view.active_only
        self.services.save_preferences()

    def action_failed(self) -> None:
        self.show_view(FAILED_KEY)

    def action_views(self) -> None:
        """Choose a view by its letter, or save this one."""
        saved = self.preferences.views
        choices = [Choice(EVERYTHING_KEY, EVERYTHING_KEY, "everything", "no filter, newest first")]
        choices += [Choice(view.key, view.key, view.name, view.words or view.query) for view in (*BUILT_IN, *saved)]
        note = f"{SAVE_KEY} saves the filter, order and groups of now · {REMOVE_KEY} forgets a saved one"

        def chosen(key: str | None) -> None:
            if key == SAVE_KEY:
                self._ask_letter()
            elif key == REMOVE_KEY:
                self._ask_which_to_forget()
            elif key:
                self.show_view(key)

        dialog = ChooseDialog("Views", choices, note, extra=((SAVE_KEY, SAVE_KEY), (REMOVE_KEY, REMOVE_KEY)))
        self.app.push_screen(dialog, chosen)

    def show_view(self, key: str) -> None:
        """Show a view by its letter."""
        view = next((each for each in (*BUILT_IN, *self.preferences.views) if each.key == key), None)
        wanted = view or SavedView(EVERYTHING_KEY, "everything", "")
        if key == IDLE_KEY:
            self.services.platform.learn_exposures()
        if self._view is not None:
            if self._view.order.id != wanted.sort:
                self._view.sort_by(wanted.sort)
            if self._view.descending != wanted.descending:
                self._view.reverse()
            self._view.group_by(grouping(wanted.group))
            if self._view.active_only:
                # A view shows all that its words name: with ended ones hidden, "failed" would be empty.
                self._view.active_only = False
                self.ask_soon()
                self.remember()
        field = self.query_one("#filter", Input)
        field.value = wanted.query
        # At once, not when the field tells: what follows is about the rows of the view.
        self.filter_by(wanted.query)
        self.leave_filter()
        # What the cursor was on may be anywhere in the other list, or nowhere.
        self.table.action_first()

    def _ask_letter(self) -> None:
        def answered(text: str | None) -> None:
            view = self._view
            if not text or view is None:
                return
            key, _, name = text.partition(" ")
            group = view.grouping.id if view.grouping is not None else ""
            saved = SavedView(
                key, name.strip() or view.query.text, view.query.text, view.order.id, view.descending, group
            )
            self.preferences.keep_view(saved)
            self.services.save_preferences()
            self.services.notifier.notify(f"Saved: {self.services.key_of('fleet.views')} {key} shows {saved.name}.")

        def check(text: str) -> str:
            return check_key(text.strip().partition(" ")[0])

        self.app.push_screen(ValueDialog("Save this view", "a letter, then a name", "g busy ones", check), answered)

    def _ask_which_to_forget(self) -> None:
        saved = self.preferences.views
        if not saved:
            self.services.notifier.refuse("There is no saved view to forget.", "views")
            return

        def answered(key: str | None) -> None:
            if key and self.preferences.drop_view(key):
                self.services.save_preferences()

        choices = [Choice(view.key, view.key, view.name, view.query) for view in saved]
        self.app.push_screen(ChooseDialog("Forget a view", choices), answered)

    def action_group(self) -> None:
        """Choose what rows are put together by."""
        view = self._view
        if view is None:
            return
        letters = "123456789"
        options = groupings(view.store.totals.labels)
        choices = [Choice(NO_GROUPS, "0", "no groups")]
        choices += [Choice(each.id, key, each.title) for key, each in zip(letters, options, strict=False)]
        choices += [Choice(each.id, "", each.title) for each in options[len(letters) :]]

        def chosen(group_id: str | None) -> None:
            if group_id:
                view.group_by(grouping(group_id))
                self.show_rows(by_user=True)
                self._show_first_group()

        self.app.push_screen(ChooseDialog("Group by", choices), chosen)

    def _show_first_group(self) -> None:
        """Begin at the top after grouping: beside the cursor's row the first heads would lie above the window."""
        if self._view is not None and self._view.grouping is not None:
            self.table.action_first()

    def action_fold(self) -> None:
        """Close all groups, or open them."""
        if self._view is not None and self._view.grouping is not None:
            self._view.toggle_all_groups()
            self.show_rows(by_user=True)

    def action_columns(self) -> None:
        """Choose the columns."""
        chosen = self.preferences

        def answered(answer: Answer | None) -> None:
            if answer is not None:
                chosen.columns, chosen.widths = answer
                self.table.set_columns(chosen.columns, chosen.widths)
                self.services.save_preferences()

        self.app.push_screen(ColumnsDialog(chosen.columns, chosen.widths), answered)

    def on_fleet_table_column_resized(self, message: FleetTable.ColumnResized) -> None:
        """Keep the width that was pulled with the mouse."""
        chosen = self.preferences
        chosen.widths[message.column_id] = message.width
        self.table.set_columns(chosen.columns or SHOWN_FIRST, chosen.widths)
        self.services.save_preferences()

    def on_fleet_table_sort_chosen(self, message: FleetTable.SortChosen) -> None:
        """Sort by the column whose head was clicked."""
        if self._view is not None:
            self._view.sort_by(message.column_id)
            self.remember()
            self.show_rows(by_user=True)

    def action_sort(self) -> None:
        """Take the next order."""
        if self._view is not None:
            self._view.sort_by_next()
            self.show_rows(by_user=True)
        self.remember()

    def action_reverse(self) -> None:
        """Turn the order round."""
        if self._view is not None:
            self._view.reverse()
            self.show_rows(by_user=True)
        self.remember()

    def action_active(self) -> None:
        """Hide or show what has ended."""
        if self._view is not None:
            self._view.active_only = not self._view.active_only
            self.show_rows(by_user=True)
        self.ask_soon()
        self.remember()

    def action_inspector(self) -> None:
        """Hide or show the panel beside the list."""
        self._inspector = not self._inspector
        self.set_class(not self._inspector, "-no-inspector")
        self.remember()

    @on(FleetTable.Opened)
    def action_open(self) -> None:
        """Show everything about the sandbox, or open and close the group."""
        line = self.table.cursor_line
        if isinstance(line, Group) and self._view is not None:
            self._view.toggle_group(line.id)
            self.show_rows(by_user=True)
        elif line is not None:
            self.services.navigator.open_detail(line.id)

    def action_exec(self) -> None:
        """Open the console of the sandbox, or the command line for all that are marked."""
        marked = self._view.marked if self._view is not None else []
        running = [row for row in marked if row.status == "RUNNING"]
        if len(running) > 1:
            if len(running) < len(marked):
                self.services.notifier.notify(
                    f"{len(marked) - len(running):,} of the marked do not run and are left out."
                )
            self.services.navigator.open_fan_out(running)
        elif marked and not running:
            self.services.notifier.refuse(self.services.bulk.why_none(RUN, marked), "exec")
        elif running:
            self.services.navigator.open_console(running[0].id)
        elif (row := self.target) is not None:
            self.services.navigator.open_console(row.id)

    def action_fan_outs(self) -> None:
        """Show the command that last ran on many."""
        self.services.navigator.open_latest_fan_out()

    def action_shell(self) -> None:
        """Open a shell."""
        rows = self._view.marked if self._view is not None and self._view.marks else [self.target]
        if len(rows) > MOST_SHELLS:
            self.services.notifier.notify(
                f"{len(rows):,} are marked: shells are opened in {MOST_SHELLS} at most.", "warning"
            )
        else:
            self.services.navigator.open_shells([row.id for row in rows if row is not None])

    def action_whole_shell(self) -> None:
        """Hand the terminal to a shell."""
        if (row := self.target) is not None:
            self.services.navigator.attach_shell(row.id)

    def action_recordings(self) -> None:
        """Show what was recorded."""
        self.services.navigator.open_recordings()

    def action_files(self) -> None:
        """Browse the files of the sandbox, or of all that are marked."""
        marked = self._view.marked if self._view is not None else []
        rows = marked or ([self.target] if self.target is not None else [])
        running = [row.id for row in rows if row.status == "RUNNING"]
        if running:
            self.services.navigator.open_files(running)
        else:
            why = self.services.bulk.why_none(RUN, rows) + " " if marked else ""
            self.services.notifier.refuse(f"{why}Files can be seen in a running sandbox: choose one first.", "files")

    def action_ports(self) -> None:
        """Show the exposed ports."""
        row = self.target
        marks = [*self._view.marks] if self._view is not None else []
        self.services.navigator.open_ports(row.id if row is not None else None, marks)

    def action_jobs(self) -> None:
        """Show the background jobs; a new one is for the marked, or for this one."""
        row, marks = self.target, self._view.marks if self._view is not None else ()
        self.services.navigator.open_jobs([*marks] or ([row.id] if row is not None else []))

    def action_logs(self) -> None:
        """Read the log, or those of the marked side by side."""
        if self._view is not None and self._view.marks:
            self.services.navigator.open_logs([row.id for row in self._view.marked])
        elif (row := self.target) is not None:
            self.services.navigator.open_log(row.id)

    def action_new(self) -> None:
        """Open the create form."""
        self.services.navigator.open_create()

    def action_clone(self) -> None:
        """Open the create form with the fields of this sandbox."""
        if (row := self.target) is not None:
            self.services.navigator.open_create(row.sandbox)

    def action_copy(self) -> None:
        """Copy the id."""
        if (row := self.target) is not None:
            self.services.clipboard.copy(row.id)

    def action_copy_more(self) -> None:
        """Choose what to copy."""
        if (row := self.target) is not None:
            choose_copy(self.app, self.services, row)

    def action_web(self) -> None:
        """Open the platform's web page."""
        if (row := self.target) is not None:
            open_web_page(self.services, row.id)

    def action_mark(self) -> None:
        """Mark the sandbox, the range or the group, and go to the next line."""
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
        """Begin a range here; the second time mark it."""
        if self.table.range_ids:
            self.action_mark()
        else:
            self.table.set_anchor(True)
            self.show_marks()

    def action_mark_all(self) -> None:
        """Mark all that the filter shows."""
        if self._view is not None:
            self._view.mark_all()
            self.show_marks()

    def action_invert(self) -> None:
        """Mark what is not marked, of what the filter shows, and unmark the rest of it."""
        if self._view is not None:
            self._view.invert_marks()
            self.show_marks()

    def action_unmark(self) -> None:
        """Take all marks away."""
        if self._view is not None:
            self._view.unmark_all()
            self.table.set_anchor(False)
            self.show_marks()

    def chosen_rows(self) -> Sequence[Row]:
        """Return the marked rows, or the one under the cursor when the user has put the cursor there."""
        if self._view is None:
            return []
        if self._view.marks:
            return self._view.marked
        row = self.target
        if row is not None and not self.table.armed:
            self.services.notifier.refuse("The list moved under the cursor: choose the sandbox again.", "delete")
            return []
        return [row] if row is not None else []

    def action_delete(self) -> None:
        """Ask, and delete the marked sandboxes or this one."""
        rows = self.chosen_rows()
        if rows:
            self.services.bulk.ask(DELETE, rows, self._hidden_marks())

    def action_many(self) -> None:
        """Choose what to do to the marked sandboxes, or to all that the filter shows."""
        view = self._view
        if view is None or not view.store.rows:
            return
        if view.marks:
            self.services.bulk.choose(view.marked, self._hidden_marks(), "Marked sandboxes")
        elif view.count:
            what = f"All that match {view.query.text}" if view.query else "All sandboxes"
            # Only a filter of labels alone names what the platform would delete by them.
            labels = view.query.labels if len(view.query.labels) == len(view.query.term.terms) else ()
            self.services.bulk.choose(view.rows, 0, what, labels)

    def action_measure(self) -> None:
        """Measure what the marked sandboxes use, or what the filter can't be answered for, or all that it shows."""
        view = self._view
        if view is None:
            return
        if view.marks:
            self.services.bulk.ask(MEASURE, view.marked, self._hidden_marks())
        else:
            rows = [row for row in view.measurable if is_unmeasured(row) or not view.unmeasured]
            self.services.bulk.ask(MEASURE, rows, shown={row.id for row in view.rows})

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Mark these sandboxes and no others."""
        if self._view is not None:
            self._view.unmark_all()
            self._view.mark(sandbox_id for sandbox_id in sandbox_ids if sandbox_id in self._view.store)
            self.show_marks()

    def _hidden_marks(self) -> int:
        return self._view.marks_hidden if self._view is not None and self._view.marks else 0

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter", Input).focus()

    def leave_filter(self) -> None:
        """Go back to the list, which is the one that was asked for: what the cursor is on counts as chosen."""
        self.table.arm()
        self.table.focus()

    def action_back(self) -> None:
        """Undo one step: leave the field, end the range, clear the filter, take the marks away."""
        field = self.query_one("#filter", Input)
        if field.has_focus:
            self.leave_filter()
        elif self.table.range_ids:
            self.table.set_anchor(False)
            self.show_marks()
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

    @property
    def table(self) -> FleetTable:
        """The table."""
        return self.query_one(FleetTable)

    @property
    def target(self) -> Row | None:
        """The sandbox under the cursor."""
        line = self.table.cursor_line
        return line if isinstance(line, Row) else None

    def subject(self) -> str:
        """Return what is marked, or else under the cursor."""
        marks = len(self._view.marks) if self._view is not None else 0
        if marks:
            return f"{marks:,} marked"
        return self.target.sandbox.name if self.target is not None else ""

    def why_not(self, action: str) -> str:
        """Return why there is nothing that an action could be done to."""
        view, key = self._view, self.services.key_of
        if action == "inspector" and self.has_class("-narrow"):
            return f"The inspector needs a wider window: {key('fleet.open')} shows all about the sandbox."
        if action in NEEDS_ROW | NEEDS_LINE | NEEDS_ROWS | NEEDS_VIEW and view is None:
            return f"Not connected yet: {key('app.refresh')} tries again."
        if view is None or (action in WORKS_ON_MARKS and view.marks):
            return ""
        if action == "unmark":
            return "" if view.marks or self.table.range_ids else f"Nothing is marked: {key('fleet.mark')} marks."
        if action == "fold":
            return "" if view.grouping is not None else f"The list is not grouped: {key('fleet.group')} groups it."
        if action == "back":
            return self._nothing_to_undo(view)
        if action in NEEDS_ROWS:
            # What is asked about use may match only once it is measured.
            rows = view.measurable if action == "measure" else view.count
            return "" if rows else self._why_empty(view)
        if action == "range" and isinstance(self.table.cursor_line, Group):
            return f"A range begins at a sandbox: {key('fleet.mark')} marks the whole group."
        if action in NEEDS_LINE:
            return "" if self.table.cursor_line is not None else self._why_empty(view)
        if action in NEEDS_ROW and self.target is None:
            return self._why_empty(view)
        return ""

    def _why_empty(self, view: FleetView) -> str:
        if not view.store.rows:
            return f"There is no sandbox yet: {self.services.key_of('fleet.new')} creates one."
        if not view.count:
            clear, ended = self.services.key_of("fleet.back"), self.services.key_of("fleet.active")
            return f"Nothing is shown: {clear} clears the filter, {ended} shows what has ended."
        return "Put the cursor on a sandbox first."

    def _nothing_to_undo(self, view: FleetView) -> str:
        field = self.query_one(QueryInput)
        if field.has_focus or field.value or view.marks or self.table.range_ids:
            return ""
        return f"Nothing to undo: no filter, no marks. {self.services.key_of('app.quit')} quits."
