"""Small programs that the fleet's measurements run in a terminal of their own: ``python -m ... NAME ROWS``."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import Input, Static

from sandtui.fleet.inventory.query import parse
from sandtui.ui.inventory.table import FleetTable
from tests.bench.tables import LineTable, fleet


class FieldAlone(App[None]):
    """A field, and a line that says how long its text is."""

    def compose(self) -> ComposeResult:
        """Field and line."""
        yield Input()
        yield Static("ready")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the length."""
        self.query_one(Static).update(f"<{len(event.value)}>")


class FieldAndTable(LineTable):
    """The same with our table between, filtered at each key."""

    def compose(self) -> ComposeResult:
        """Field, line and table."""
        yield Input()
        yield Static("starting", id="told")
        yield FleetTable(self.clock.now)

    def on_mount(self) -> None:
        """Show the fleet."""
        self.load()
        self.call_after_refresh(lambda: self.query_one("#told", Static).update("ready"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter, then tell the length."""
        self.view.query = parse(event.value)
        self.query_one(FleetTable).show(self.view)
        self.query_one("#told", Static).update(f"<{len(event.value)}>")


class ClockAlone(App[None]):
    """Nothing but a clock."""

    def compose(self) -> ComposeResult:
        """One line."""
        yield Static("ready")

    def on_mount(self) -> None:
        """Tick once a second."""
        self._seconds = 0
        self.set_interval(1, self._tick)

    def _tick(self) -> None:
        self._seconds += 1
        self.query_one(Static).update(f"ready {self._seconds}", layout=False)


def main() -> None:
    """Run the program that was named."""
    name, rows = sys.argv[1], int(sys.argv[2])
    if name == "field":
        FieldAlone().run()
    elif name == "table":
        FieldAndTable(fleet(rows)).run()
    else:
        ClockAlone().run()


if __name__ == "__main__":
    main()
