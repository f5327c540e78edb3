"""The table of sandboxes, drawn line by line from the rows of a view.

The cursor is an id and not a position: whatever comes, goes or is sorted, it stays on its sandbox and on its
line of the screen. When its sandbox goes, the neighbour is shown and nothing destructive is armed until the
user moves (traps.md 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from sandtui.fleet.store import Row
from sandtui.fleet.view import FleetView
from sandtui.ui.render.columns import GAP, Placed, fit_cell, layout
from sandtui.ui.render.text import Piece, fit, width_of
from sandtui.ui.widgets.palette_roles import RoleView, role_css

HEAD_LINES = 1
PREFIX = 3
"""Cells before the first column: the cursor's bar, the mark and a blank."""


class FleetTable(RoleView, can_focus=True):
    """Rows of a :class:`FleetView` with a cursor. ``clock`` gives the time that ages are counted from."""

    DEFAULT_CSS = """
    FleetTable {
        height: 1fr; background: $surface; scrollbar-size-vertical: 1; overflow-x: hidden;
        & > .fleet-table--head { color: $text-muted; text-style: bold; }
        & > .fleet-table--cursor { background: $boost; text-style: bold; }
        &:focus > .fleet-table--cursor { background: $primary 30%; }
        & > .fleet-table--bar { color: $primary; }
    }
    """ + role_css("FleetTable")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "fleet-table--head",
        "fleet-table--cursor",
        "fleet-table--bar",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
    ]

    @dataclass
    class CursorMoved(Message):
        """The cursor stands on another sandbox, or on none."""

        sandbox_id: str | None

    @dataclass
    class Opened(Message):
        """A sandbox was clicked twice."""

        sandbox_id: str

    def __init__(self, clock: Callable[[], datetime] | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._clock = clock or (lambda: datetime.now(UTC))
        self._rows: list[Row] = []
        self._marks: set[str] = set()
        self._order = ("", False)
        self._cursor = 0
        self._cursor_id: str | None = None
        self._lost_id: str | None = None
        self._columns: list[Placed] = []
        self.empty: list[list[Piece]] = []
        """What stands in the middle when there is no row."""

    @property
    def cursor_id(self) -> str | None:
        """The id under the cursor."""
        return self._cursor_id

    @property
    def armed(self) -> bool:
        """Whether the user has chosen the row under the cursor, rather than been moved to it."""
        return self._lost_id is None

    def show(self, view: FleetView) -> None:
        """Draw the rows of a view; cursor and scroll stay with their sandbox."""
        self._rows = view.rows
        self._marks = view.marks
        self._order = (view.order.id, view.descending)
        wanted = self._lost_id or self._cursor_id
        place = None if wanted is None else view.place(wanted)
        if place is not None:
            self._lost_id = None
        elif self._rows:
            if self._cursor_id is not None and self._lost_id is None:
                self._lost_id = self._cursor_id
            place = self._neighbour(view)
        elif self._cursor_id is not None and self._lost_id is None:
            self._lost_id = self._cursor_id
        line = self._cursor - self.scroll_offset.y
        self._resize()
        self._put_cursor(place)
        if place is not None:
            self._keep_line(place, line)
        self.refresh()

    def move_to(self, sandbox_id: str) -> bool:
        """Put the cursor on an id; return whether it is there."""
        for place, row in enumerate(self._rows):
            if row.id == sandbox_id:
                self._go(place)
                return True
        return False

    def action_move(self, step: int) -> None:
        """Move the cursor by some rows."""
        self._go(self._cursor + step)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some screens."""
        self._go(self._cursor + pages * max(1, self._body_height - 1))

    def action_first(self) -> None:
        """Move the cursor to the first row."""
        self._go(0)

    def action_last(self) -> None:
        """Move the cursor to the last row."""
        self._go(len(self._rows) - 1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points; open on the second click."""
        place = self.scroll_offset.y + event.y - HEAD_LINES
        if event.y >= HEAD_LINES and 0 <= place < len(self._rows):
            self._go(place)
            if event.chain == 2:
                self.post_message(self.Opened(self._rows[place].id))

    def on_resize(self) -> None:
        """Choose the columns anew and keep the cursor in view."""
        self._columns = []
        self._resize()
        if self._rows:
            self._reveal()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        width = self.size.width
        if not self._columns:
            self._columns = layout(width - PREFIX)
        if y < HEAD_LINES:
            return self._head(width)
        if not self._rows:
            return self._empty_line(y - HEAD_LINES, width)
        place = self.scroll_offset.y + y - HEAD_LINES
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return self._row(place, width)

    def _neighbour(self, view: FleetView) -> int:
        if self._cursor_id is not None:
            here = view.place(self._cursor_id)
            if here is not None:
                return here
        return min(self._cursor, len(self._rows) - 1)

    def _go(self, place: int) -> None:
        if not self._rows:
            return
        self._lost_id = None
        self._put_cursor(max(0, min(place, len(self._rows) - 1)))
        self._reveal()
        self.refresh()

    def _put_cursor(self, place: int | None) -> None:
        sandbox_id = None if place is None else self._rows[place].id
        self._cursor = place or 0
        if sandbox_id != self._cursor_id:
            self._cursor_id = sandbox_id
            self.post_message(self.CursorMoved(sandbox_id))

    @property
    def _body_height(self) -> int:
        return max(1, self.size.height - HEAD_LINES)

    def _resize(self) -> None:
        size = Size(self.size.width, len(self._rows) + HEAD_LINES)
        if size != self.virtual_size:
            self.virtual_size = size

    def _keep_line(self, place: int, line: int) -> None:
        line = max(0, min(line, self._body_height - 1))
        self._scroll(place - line)

    def _reveal(self) -> None:
        top = self.scroll_offset.y
        if self._cursor < top:
            self._scroll(self._cursor)
        elif self._cursor >= top + self._body_height:
            self._scroll(self._cursor - self._body_height + 1)

    def _scroll(self, top: int) -> None:
        furthest = max(0, len(self._rows) - self._body_height)
        top = max(0, min(top, furthest))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def _head(self, width: int) -> Strip:
        style = self.rich_style + self.get_component_rich_style("fleet-table--head", partial=True)
        order, descending = self._order
        cells = [" " * PREFIX]
        for index, placed in enumerate(self._columns):
            title = placed.column.title
            if placed.column.id == order:
                title += "↓" if descending else "↑"
            gap = " " * GAP if index else ""
            cells.append(gap + fit(title, placed.width, right=placed.column.right))
        return Strip([Segment("".join(cells), style)]).adjust_cell_length(width, style)

    def _row(self, place: int, width: int) -> Strip:
        row = self._rows[place]
        at_cursor = place == self._cursor
        base = self.get_component_rich_style("fleet-table--cursor") if at_cursor else self.rich_style
        bar = base + self.get_component_rich_style("fleet-table--bar", partial=True)
        mark = Piece("✓ " if row.id in self._marks else "  ", "key")
        segments = [Segment("▌" if at_cursor else " ", bar), *self.segments([mark], base)]
        now = self._clock()
        for index, placed in enumerate(self._columns):
            if index:
                segments.append(Segment(" " * GAP, base))
            cell = fit_cell(placed.column.cell(row, now), placed.width, right=placed.column.right)
            segments += self.segments(cell, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _empty_line(self, y: int, width: int) -> Strip:
        first = max(0, (self._body_height - len(self.empty)) // 3)
        index = y - first
        if not 0 <= index < len(self.empty):
            return Strip.blank(width, self.rich_style)
        pieces = self.empty[index]
        room = max(0, width - sum(width_of(piece.text) for piece in pieces))
        segments = self.segments([Piece(" " * (room // 2)), *pieces], self.rich_style)
        return Strip(segments).adjust_cell_length(width, self.rich_style)
