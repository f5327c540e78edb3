"""What the keys of the fleet are about: the sandbox under the cursor, or the marked ones."""

from __future__ import annotations

from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.inventory.query_input import QueryInput
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.services.bundle import Services

NEEDS_ROW = frozenset({"exec", "shell", "whole_shell", "logs", "clone", "copy", "copy_more", "web", "delete"})
NEEDS_LINE = frozenset({"open", "mark", "range"})
NEEDS_ROWS = frozenset({"mark_all", "invert", "many", "measure"})
WORKS_ON_MARKS = frozenset({"exec", "shell", "logs", "delete", "many", "measure"})
NEEDS_VIEW = frozenset({"sort", "reverse", "group", "active", "new"})


class FleetTarget(AppScreen):
    """The part of the fleet screen that knows what an action is done to."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._view: FleetView | None = None
        self._inspector = True

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
