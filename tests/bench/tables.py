"""Two tables over the same fleet, driven alike: ours, and Textual's DataTable with its rows rebuilt or updated."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from rich.console import RenderableType
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import DataTable, Input

from sandtui.client.models import Sandbox
from sandtui.clock import ManualClock
from sandtui.fleet.inventory.query import parse
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.garbage_collection import freeze_live_objects
from sandtui.ui.inventory.columns import COLUMNS_BY_ID, SHOWN_FIRST
from sandtui.ui.inventory.table import FleetTable
from tests.probes import has_painted, strips

NOW = datetime(2026, 11, 24, 14, 14, 30, tzinfo=UTC)
FRAME = 1 / 60
COLUMNS = [COLUMNS_BY_ID[column_id] for column_id in SHOWN_FIRST]


def fleet(count: int) -> list[Sandbox]:
    """Return sandboxes whose names, ids and ages are in three different orders."""
    sandboxes = []
    for number in range(count):
        mixed = number * 7919 % count
        created = NOW - timedelta(seconds=mixed)
        sandboxes.append(
            Sandbox(
                id=f"sbx_{number * 104729 % 1_000_003:06x}{number:06x}",
                name=f"rollout-{number:06}",
                docker_image=f"python:3.{number % 5 + 9}-slim",
                cpu_cores=number % 4 + 1,
                memory_gb=2.0 * (number % 4 + 1),
                status=("RUNNING", "RUNNING", "PENDING", "ERROR", "RUNNING")[number % 5],
                timeout_minutes=600,
                labels=["rl", f"run={number % 97}"],
                created_at=created,
                started_at=created,
                updated_at=created,
            )
        )
    return sandboxes


def changed(sandbox: Sandbox, turn: int) -> Sandbox:
    """Return a sandbox with another status, which also moves it when sorted by status."""
    status = "PAUSED" if turn % 2 else "RUNNING"
    # A name that stays in the same place, so that filters by name keep it.
    return sandbox.model_copy(update={"status": status, "updated_at": NOW + timedelta(seconds=turn)})


class TableBench(App[None]):
    """What both have: a field and a table, and a way to wait for the last paint."""

    CSS = "Input { height: 3; }"

    def __init__(self, sandboxes: list[Sandbox]) -> None:
        super().__init__()
        self.clock = ManualClock(NOW)
        self.store = FleetStore(self.clock)
        self.store.apply(sandboxes)
        self.displayed_at = 0.0
        # As the dashboard does after a sweep: full collections would walk through every sandbox. Both have it.
        freeze_live_objects(len(sandboxes))

    async def painted(self) -> None:
        """Wait until all that was asked for is on the screen."""
        # Textual paints at most once a frame; nothing may be left to do in two frames after the last paint.
        quiet = 0
        while quiet < 2:
            await asyncio.sleep(FRAME)
            quiet = quiet + 1 if has_painted(self) else 0

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        self.displayed_at = time.perf_counter()

    def text(self) -> list[str]:
        """Return the lines that are on the screen."""
        return [strip.text for strip in strips(self.screen)]

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter at each key."""
        self.filter(event.value)

    def load(self) -> None:
        """Show the whole fleet."""
        raise NotImplementedError

    def filter(self, text: str) -> None:
        """Show what matches."""
        raise NotImplementedError

    def sort(self, by: str) -> None:
        """Sort by ``name``, ``age`` or ``status``."""
        raise NotImplementedError

    def refresh_rows(self, sandboxes: list[Sandbox]) -> None:
        """Take over changed sandboxes."""
        raise NotImplementedError

    def page(self) -> None:
        """Go one screen down."""
        raise NotImplementedError

    def top(self) -> None:
        """Go to the first line."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError


class LineTable(TableBench):
    """Our view and table."""

    def compose(self) -> ComposeResult:
        """Field and table."""
        yield Input()
        yield FleetTable(self.clock.now)

    def load(self) -> None:
        """Make the view and show it."""
        self.view = FleetView(self.store, self.clock)
        self.query_one(FleetTable).show(self.view)

    def filter(self, text: str) -> None:
        """Ask the view."""
        self.view.query = parse(text)
        self.query_one(FleetTable).show(self.view)

    def sort(self, by: str) -> None:
        """Ask the view, in ascending order."""
        self.view.sort_by(by)
        if self.view.descending:
            self.view.reverse()
        self.query_one(FleetTable).show(self.view)

    def refresh_rows(self, sandboxes: list[Sandbox]) -> None:
        """As the dashboard does."""
        self.store.apply(sandboxes)
        self.view.update()
        self.query_one(FleetTable).show(self.view)

    def page(self) -> None:
        """As the key does."""
        self.query_one(FleetTable).action_page(1)

    def top(self) -> None:
        """As the key does."""
        self.query_one(FleetTable).action_first()

    @property
    def count(self) -> int:
        """What the view counts."""
        return self.view.count


class PlainDataTable(TableBench):
    """The same with DataTable: rows rebuilt for a filter, cells updated for a refresh."""

    def compose(self) -> ComposeResult:
        """Field and table."""
        yield Input()
        yield DataTable(cursor_type="row")

    was_sorted = False

    def on_mount(self) -> None:
        """Make the columns."""
        self.table: DataTable[str] = self.query_one(DataTable)
        for column in COLUMNS:
            self.table.add_column(column.title, key=column.id, width=column.width)

    def load(self) -> None:
        """Add every row."""
        self._fill(list(self.store))

    def filter(self, text: str) -> None:
        """Clear and add what matches."""
        self._fill([row for row in self.store if text.lower() in row.haystack])

    def sort(self, by: str) -> None:
        """Sort by the value and not by the text."""
        key = {"age": lambda row: row.created, "name": lambda row: row.name_key, "status": lambda row: row.status}[by]
        rows = self.store.rows
        self.was_sorted = True
        self.table.sort("id", key=lambda sandbox_id: (key(rows[sandbox_id]), sandbox_id))

    def refresh_rows(self, sandboxes: list[Sandbox]) -> None:
        """Update the cells that may have changed."""
        change = self.store.apply(sandboxes)
        for sandbox_id in change.changed:
            row = self.store.get(sandbox_id)
            if row is not None and sandbox_id in self.table.rows:
                self.table.update_cell(sandbox_id, "status", self._cell(row, 0))

    def page(self) -> None:
        """As the key does."""
        self.table.action_page_down()

    def top(self) -> None:
        """As the key does."""
        self.table.action_scroll_top()

    @property
    def count(self) -> int:
        """What the table counts."""
        return self.table.row_count

    def _fill(self, rows: list[Row]) -> None:
        self.table.clear()
        self.was_sorted = False
        for row in rows:
            self.table.add_row(*(self._cell(row, place) for place in range(len(COLUMNS))), key=row.id)

    @staticmethod
    def _cell(row: Row, place: int) -> str:
        if COLUMNS[place].id == "id":
            return row.id
        return " ".join(piece.text for piece in COLUMNS[place].cell(row, NOW))
