"""What the keys of the fleet are about: the sandbox under the cursor, or the marked ones."""

from __future__ import annotations

from sandtui.fleet.row import Row
from sandtui.fleet.view import FleetView
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.widgets.fleet_table import FleetTable

NEEDS_ROW = frozenset({"exec", "shell", "whole_shell", "logs", "clone", "copy", "copy_more"})
NEEDS_LINE = frozenset({"open", "mark", "range"})


class FleetTarget(AppScreen):
    """The part of the fleet screen that knows what an action is done to."""

    def __init__(self) -> None:
        super().__init__()
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that need a sandbox do nothing without one."""
        if action in {"exec", "logs"} and self._view is not None and self._view.marks:
            return True
        if action in NEEDS_ROW:
            return self.target is not None
        if action in NEEDS_LINE:
            return self.table.cursor_line is not None
        if action == "delete":
            return self.target is not None or (self._view is not None and bool(self._view.marks))
        return True

    def subject(self) -> str:
        """Return what is marked, or else under the cursor."""
        marks = len(self._view.marks) if self._view is not None else 0
        if marks:
            return f"{marks:,} marked"
        return self.target.sandbox.name if self.target is not None else ""

    def why_not(self, action: str) -> str:
        """Say what to do when there is no sandbox under the cursor."""
        if self.check_action(action, ()) is not False:
            return ""
        if self._view is None or not self._view.store.rows:
            return f"There is no sandbox yet: {self.named_key('fleet.new')} creates one."
        if not self._view.count:
            clear, ended = self.named_key("fleet.back"), self.named_key("fleet.active")
            return f"Nothing is shown: {clear} clears the filter, {ended} shows what has ended."
        return "Put the cursor on a sandbox first."
