"""A table's columns and their heads: chosen, panned, sorted by and made wider with the mouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from sandtui.ui.inventory.columns import FROZEN, GAP, MIN_WIDTH, SHOWN_FIRST, Placed, choose, layout
from sandtui.ui.rendering.text import fit, sort_arrow, width_of
from sandtui.ui.widgets.cursor_view import HEAD_LINES, CursorView

PREFIX = 3
"""Cells before the first column: the cursor's bar, the mark and a blank."""


class ColumnsView(CursorView):
    """Lines of cells below heads. What is drawn must be forgotten when the columns move: see :meth:`forget_drawn`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "pan(-1)", "columns left", show=False),
        Binding("right", "pan(1)", "columns right", show=False),
    ]

    @dataclass
    class SortChosen(Message):
        """The head of a column was clicked."""

        column_id: str

    @dataclass
    class ColumnResized(Message):
        """The border of a column's head was moved."""

        column_id: str
        width: int

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._columns = choose(SHOWN_FIRST, {})
        self._placed: list[Placed] = []
        self._pan = 0
        self._sizing: Placed | None = None

    @property
    def columns_hidden(self) -> int:
        """How many chosen columns there is no room for."""
        return len(self._columns) - len(self._placed)

    def forget_drawn(self) -> None:
        """Forget what the lines look like."""
        raise NotImplementedError

    def set_columns(self, ids: Sequence[str], widths: Mapping[str, int]) -> None:
        """Show these columns, in this order."""
        self._columns = choose(ids, widths)
        self._pan = 0
        self.place_columns()

    def place_columns(self) -> None:
        """Choose the columns that there is room for."""
        room = self.size.width - PREFIX
        self._placed = layout(room, self._columns, self._pan)
        free = room - self.scrollbar_size_vertical
        if self._placed and self._placed[-1].start + self._placed[-1].width > free:
            # What growing columns leave over is mostly enough for the scroll bar; here it would cover the last one.
            self._placed = layout(free, self._columns, self._pan)
        self.forget_drawn()
        self.refresh()

    def action_pan(self, step: int) -> None:
        """Show the columns further left or right; the first two stay."""
        placed = [each.column for each in self._placed]
        if step > 0 and (placed[-1:] == self._columns[-1:] and (self._pan or not self.columns_hidden)):
            return
        self._pan = max(0, min(self._pan + step, len(self._columns) - FROZEN))
        self.place_columns()

    def head_clicked(self, x: int) -> None:
        """Sort by the column whose head was clicked."""
        inside = x - PREFIX
        placed = next((each for each in self._placed if each.start <= inside < each.start + each.width), None)
        if placed is not None and self._border_at(x) is None:
            self.post_message(self.SortChosen(placed.column.id))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the border between two columns' heads."""
        if event.y < HEAD_LINES and (placed := self._border_at(event.x)) is not None:
            self._sizing = placed
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Make the column wider or narrower."""
        if self._sizing is not None:
            width = max(MIN_WIDTH, event.x - PREFIX - self._sizing.start)
            self.post_message(self.ColumnResized(self._sizing.column.id, width))

    def on_mouse_up(self, _: events.MouseUp) -> None:
        """Let the border go."""
        if self._sizing is not None:
            self._sizing = None
            self.release_mouse()

    def head(self, sorted_by: str | None, rising: bool) -> str:
        """Return the line of heads; an arrow shows by what the lines are sorted, and which way."""
        cells = [" " * PREFIX]
        for index, placed in enumerate(self._placed):
            title = placed.column.title
            if placed.column.id == sorted_by:
                # The arrow stays where the title has to be cut.
                title = fit(title, min(width_of(title), placed.width - 1)) + sort_arrow(rising)
            cells.append(" " * GAP * bool(index) + fit(title, placed.width, right=placed.column.right))
        return "".join(cells)

    def _border_at(self, x: int) -> Placed | None:
        return next((each for each in self._placed if x - PREFIX == each.start + each.width), None)
