"""The list of sandboxes, drawn line by line from the rows of a view.

The cursor is an id, not an index: whatever is added, removed or sorted, it stays on its sandbox and on its line of the
screen. When its sandbox is removed, the neighbor gets the cursor, but destructive actions are disarmed until the user
moves it. Only lines that changed are redrawn.

Columns are as wide as the rows in view need. Scrolling and news only widen them, so that nothing moves back and forth;
another filter, order, set of columns or window has them measured anew."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.inventory.columns import (
    FROZEN,
    MEASURED,
    MIN_WIDTH,
    MOST_NEEDED,
    Cell,
    Placed,
    choose,
    fit_cell,
    layout,
)
from sandtui.ui.inventory.groups import GroupScale, group_pieces
from sandtui.ui.rendering.text import Piece, fit, sort_arrow, width_of
from sandtui.ui.widgets.cursor_view import HEAD_LINES, CursorView

PREFIX = 3
"""Cells before the first column: the cursor bar, the mark and a space."""

MARGIN = 1
"""Cells between the last column and the scroll bar."""

STRIPS_KEPT = 400


class _RowKey(NamedTuple):
    """All that the appearance of a row depends on."""

    id: str
    version: int
    marked: bool
    at_cursor: bool
    focused: bool
    in_range: bool
    times: tuple[tuple[Piece, ...], ...]


class FleetTable(CursorView, can_focus=True):
    """Rows of a :class:`FleetView` with a cursor. ``clock`` returns the time from which ages are computed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "pan(-1)", "scroll columns left", show=False),
        Binding("right", "pan(1)", "scroll columns right", show=False),
    ]

    @dataclass
    class SortChosen(Message):
        """A column header was clicked."""

        column_id: str

    @dataclass
    class ColumnResized(Message):
        """The border of a column header was dragged."""

        column_id: str
        width: int

    DEFAULT_CSS = """
    FleetTable {
        height: 1fr; background: $surface; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: scroll;
        & > .fleet-table--head { color: $text-muted; text-style: bold; }
        & > .fleet-table--cursor { background: $primary 8%; text-style: bold; }
        &:focus > .fleet-table--cursor { background: $primary 15%; }
        & > .fleet-table--range { background: $primary 11%; }
        & > .fleet-table--bar { color: $primary; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "fleet-table--head",
        "fleet-table--cursor",
        "fleet-table--range",
        "fleet-table--bar",
    }

    @dataclass
    class CursorMoved(Message):
        """The cursor is on another line, or on none. ``by_user`` tells keys and mouse from refreshes."""

        line_id: str | None
        by_user: bool

    @dataclass
    class Opened(Message):
        """A line was double-clicked."""

        line_id: str

    def __init__(self, clock: Callable[[], datetime] | None = None, *, id: str | None = None) -> None:  # noqa: A002
        # Textual reads the styles during construction.
        self._strips: LRUCache[Hashable, Strip] = LRUCache(STRIPS_KEPT)
        self._drawn: dict[int, Hashable] = {}
        self._plain: Style | None = None
        self._bar: Style | None = None
        super().__init__(id=id)
        self._wanted: tuple[Sequence[str], Mapping[str, int]] = ((), {})
        self._errors = False
        self._columns = choose(*self._wanted)
        self._needs: dict[str, int] = {}
        self._measured: dict[str, int] = {}
        self.placed: list[Placed] = []
        """The columns that there is room for, and where each begins."""
        self._pan = 0
        self._sizing: Placed | None = None
        self._clock = clock or (lambda: datetime.now(UTC))
        self._view: FleetView | None = None
        self._cursor_id: str | None = None
        self._lost_id: str | None = None
        self._return_to: int | None = None
        self._armed = True
        self._anchor_id: str | None = None
        self._scale = GroupScale()
        self.empty: list[list[Piece]] = []
        """Shown in the middle while there are no rows."""

    @property
    def cursor_line(self) -> Group | Row | None:
        if self._cursor_id is None or self._view is None or self._cursor >= self._view.line_count:
            return None
        return self._view.line(self._cursor)

    @property
    def cursor_id(self) -> str | None:
        """The id of the sandbox under the cursor."""
        line = self.cursor_line
        return line.id if isinstance(line, Row) else None

    @property
    def wanted_id(self) -> str | None:
        """The id of the line that the cursor belongs on: the one that went away, until it is back, or its own."""
        return self._lost_id or self._cursor_id

    @property
    def armed(self) -> bool:
        """Whether the user moved the cursor to its row; False when a refresh did."""
        return self._armed

    @property
    def range_ids(self) -> list[str]:
        """The ids between the anchor and the cursor; empty without an anchor."""
        index = self._anchor_index()
        if index is None or self._view is None:
            return []
        return list(self._view.row_ids(min(index, self._cursor), max(index, self._cursor)))

    def set_anchor(self, anchored: bool) -> None:
        """Start a range at the cursor, or cancel it."""
        self._anchor_id = self._cursor_id if anchored else None
        self.refresh_lines_changed()

    @property
    def visible_ids(self) -> list[str]:
        """The ids of the rows that are in view."""
        if self._view is None:
            return []
        top = self.scroll_offset.y
        return list(self._view.row_ids(top, top + self.body_height - 1))

    def arm(self) -> None:
        """Count the row under the cursor as selected by the user."""
        self._lost_id = None
        self._armed = True

    def show(self, view: FleetView, *, by_user: bool = False) -> None:
        """Show a view; cursor and scroll position stay with their sandbox.

        ``by_user``: the user asked for this list, so that a cursor that has to move stays armed.
        """
        is_new = by_user or view is not self._view
        if view is not self._view:
            # Another platform: a range of the last one means nothing here.
            self._anchor_id = None
        self._view = view
        if view.lists_errors is not self._errors:
            self._errors = view.lists_errors
            self._choose_columns()
        index = None if self.wanted_id is None else view.place(self.wanted_id)
        if index is not None:
            # Back on the row that was selected, unless the neighbor counts as selected meanwhile.
            self._armed = by_user or self._lost_id is None or not self._armed
            self._lost_id = None
        else:
            if self._cursor_id is not None and self._lost_id is None:
                self._lost_id = self._cursor_id
            index = self._neighbor(view)
            stays = index is not None and view.line(index).id == self._cursor_id
            if self._lost_id is not None and not stays:
                self._armed = self._armed and by_user
        line = self._cursor - self.scroll_offset.y
        if self._return_to is not None and self._lost_id is None:
            # It is there, or the user went elsewhere.
            line, self._return_to = self._return_to, None
        self._resize()
        self._put_cursor(index, by_user=False)
        if index is not None:
            self.scroll_lines(index - max(0, min(line, self.body_height - 1)))
        else:
            self.scroll_lines(0)
        if is_new:
            # Not before: until here other rows may have been in view.
            self._forget_needs()
        self._fit_columns()
        self._scale = GroupScale.of(view.groups)
        self.refresh_lines_changed()

    def move_to(self, sandbox_id: str) -> bool:
        """Move the cursor to a sandbox; return whether it is in the list."""
        index = None if self._view is None else self._view.place(sandbox_id)
        if index is None:
            return False
        self.go(index)
        return True

    def show_top(self) -> None:
        """Show the list that the user asked for from its first line, with columns for the rows there."""
        self.action_first()
        self._forget_needs()
        self._fit_columns()

    def return_to(self, line_id: str, at: int) -> None:
        """Put the cursor on a line of the list, and that on line ``at`` of the window, as soon as it is there.

        Until then, or until :meth:`stop_waiting`, the line under the cursor does not count as selected.
        """
        self._cursor_id, self._cursor = None, 0
        self._lost_id, self._return_to = (line_id, at) if line_id else (None, None)
        if self._view is not None:
            self.show(self._view, by_user=True)
        self._armed = not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Whether the cursor is to return to a line that is not there yet."""
        return self._return_to is not None and self._lost_id is not None

    def stop_waiting(self) -> None:
        """Leave the cursor where it is: the line that it was to return to will not come."""
        self._return_to = None
        self.arm()

    def refresh_lines_changed(self) -> None:
        """Redraw the lines, or cells, that differ from what is on the screen."""
        if not self.size:
            return
        now = self._clock()
        changed: list[Region] = []
        for y in range(self.size.height):
            key, drawn = self._key(y, now), self._drawn.get(y)
            if key == drawn and y in self._drawn:
                continue
            if isinstance(key, _RowKey) and isinstance(drawn, _RowKey) and key[:-1] == drawn[:-1]:
                # Only ages changed: redraw their cells.
                changed += (Region(PREFIX + each.start, y, each.width, 1) for each in self.placed if each.column.timed)
            else:
                changed.append(Region(0, y, self.size.width, 1))
        if changed:
            self.refresh(*changed)

    def on_click(self, event: events.Click) -> None:
        if event.y < HEAD_LINES:
            self.head_clicked(event.x)
            return
        index = self.scroll_offset.y + event.y - HEAD_LINES
        if 0 <= index < self.line_count:
            self.go(index)
            if event.chain == 2 and self._cursor_id is not None:
                self.post_message(self.Opened(self._cursor_id))

    def on_resize(self) -> None:
        self._forget_needs()
        self._measure()
        self.place_columns()
        self._resize()
        if self.line_count:
            self.reveal()

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        self._fit_columns()

    def notify_style_update(self) -> None:
        """Redraw all lines: the theme or the focus has changed."""
        super().notify_style_update()
        self.forget_drawn()

    def forget_drawn(self) -> None:
        """Redraw all lines."""
        self._strips.clear()
        self._drawn.clear()
        self._plain = self._bar = None

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen, or take it from the cache."""
        now = self._clock()
        key = self._key(y, now)
        self._drawn[y] = key
        strip = self._strips.get(key)
        if strip is None:
            strip = self._draw(y, now)
            self._strips[key] = strip
        return strip

    def _key(self, y: int, now: datetime) -> Hashable:
        """Return all that the appearance of a line depends on; width, columns and theme clear the cache instead."""
        view = self._view
        if y < HEAD_LINES:
            return ("head", None if view is None else (view.order.id, view.rising))
        if view is None or not view.line_count:
            index = y - self._first_empty_line()
            return ("empty", *(self.empty[index] if 0 <= index < len(self.empty) else ()))
        index = self.scroll_offset.y + y - HEAD_LINES
        if index >= view.line_count:
            return None
        line = view.line(index)
        at_cursor = index == self._cursor
        if isinstance(line, Group):
            return (line.id, line.version, self._scale, at_cursor, at_cursor and self.has_focus)
        return _RowKey(
            line.id,
            line.version,
            line.id in view.marks,
            at_cursor,
            at_cursor and self.has_focus,
            self._in_range(index),
            tuple(tuple(placed.column.cell(line, now)) for placed in self.placed if placed.column.timed),
        )

    def _draw(self, y: int, now: datetime) -> Strip:
        view, width = self._view, self.size.width
        if y < HEAD_LINES:
            return self._head(width)
        if view is None or not view.line_count:
            return self._empty_line(y, width)
        index = self.scroll_offset.y + y - HEAD_LINES
        if index >= view.line_count:
            return Strip.blank(width, self.rich_style)
        line = view.line(index)
        base = self._base_style(index)
        if self._bar is None:
            self._bar = self.get_component_rich_style("fleet-table--bar", partial=True)
        bar = base if base.reverse else base + self._bar
        segments = [Segment("▌" if index == self._cursor else " ", bar)]
        if isinstance(line, Group):
            segments += self.segments(group_pieces(line, self._scale, width - 1 - self.scrollbar_size_vertical), base)
        else:
            mark = Piece("✓ " if line.id in view.marks else "  ", "key")
            segments += self.segments([mark, *self._cells(line, now)], base)
        return Strip(segments).adjust_cell_length(width, base)

    def _cells(self, row: Row, now: datetime) -> Cell:
        pieces: Cell = []
        end = 0
        for column, start, width in self.placed:
            if start > end:
                pieces.append(Piece(" " * (start - end)))
            end = start + width
            cell = column.cell(row, now)
            if column.fit is not None:
                pieces += column.fit(cell, width)
            else:
                pieces += fit_cell(cell, width, right=column.right, middle=column.cut == "middle")
        return pieces

    def _base_style(self, index: int) -> Style:
        if index == self._cursor:
            return self.get_component_rich_style("fleet-table--cursor")
        if self._in_range(index):
            return self.get_component_rich_style("fleet-table--range")
        if self._plain is None:
            # Textual adds it up from all widgets around, for each row.
            self._plain = self.rich_style
        return self._plain

    def _head(self, width: int) -> Strip:
        style = self.rich_style + self.get_component_rich_style("fleet-table--head", partial=True)
        order = (None, True) if self._view is None else (self._view.order.id, self._view.rising)
        return Strip([Segment(self.head(*order), style)]).adjust_cell_length(width, style)

    def _empty_line(self, y: int, width: int) -> Strip:
        index = y - self._first_empty_line()
        if not 0 <= index < len(self.empty):
            return Strip.blank(width, self.rich_style)
        pieces = self.empty[index]
        room = max(0, width - sum(width_of(piece.text) for piece in pieces))
        segments = self.segments([Piece(" " * (room // 2)), *pieces], self.rich_style)
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _first_empty_line(self) -> int:
        return HEAD_LINES + max(0, (self.body_height - len(self.empty)) // 3)

    @property
    def line_count(self) -> int:
        """The number of rows and group headers."""
        return 0 if self._view is None else self._view.line_count

    def _anchor_index(self) -> int | None:
        return None if self._anchor_id is None or self._view is None else self._view.place(self._anchor_id)

    def _in_range(self, index: int) -> bool:
        anchor = self._anchor_index()
        return anchor is not None and min(anchor, self._cursor) <= index <= max(anchor, self._cursor)

    def _neighbor(self, view: FleetView) -> int | None:
        if not view.line_count:
            return None
        here = None if self._cursor_id is None else view.place(self._cursor_id)
        return here if here is not None else min(self._cursor, view.line_count - 1)

    def put_cursor(self, index: int) -> None:
        """Move the cursor on behalf of the user: its row counts as selected."""
        self._lost_id = self._return_to = None
        self._armed = True
        self._put_cursor(index, by_user=True)

    def redraw_cursor(self) -> None:
        self.refresh_lines_changed()

    def _put_cursor(self, index: int | None, *, by_user: bool) -> None:
        line_id = None if index is None or self._view is None else self._view.line(index).id
        self._cursor = index or 0
        if line_id != self._cursor_id:
            self._cursor_id = line_id
            self.post_message(self.CursorMoved(line_id, by_user))

    def _resize(self) -> None:
        size = Size(self.size.width, self.line_count + HEAD_LINES)
        if size.width != self.virtual_size.width:
            self.virtual_size = size
        elif size != self.virtual_size:
            # Only the number of lines changed: updating the scroll bar alone avoids a layout of the whole screen.
            self.set_reactive(FleetTable.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = size.height

    @property
    def columns_hidden(self) -> int:
        """The number of columns that do not fit."""
        return len(self._columns) - len(self.placed)

    def set_columns(self, ids: Sequence[str], widths: Mapping[str, int]) -> None:
        """Show these columns, in this order."""
        self._wanted = ids, widths
        self._choose_columns()

    def _choose_columns(self) -> None:
        ids, widths = self._wanted
        self._columns = choose(ids, widths, errors=self._errors)
        self._pan = 0
        self._forget_needs()
        self._measure()
        self.place_columns()

    def place_columns(self) -> None:
        """Share the width out among the columns that fit."""
        room = self.size.width - PREFIX - self.scrollbar_size_vertical - MARGIN
        placed = layout(room, self._columns, self._needs, self._pan)
        if placed != self.placed:
            self.placed = placed
            self.forget_drawn()
            self.refresh()

    def _fit_columns(self) -> None:
        """Give the columns the room that the rows in view need."""
        if self._measure():
            self.place_columns()

    def _forget_needs(self) -> None:
        self._needs.clear()
        self._measured.clear()

    def _measure(self) -> bool:
        """Measure the rows in view that are new there; return whether a column needs more room than before."""
        view = self._view
        if view is None or not self.size:
            return False
        top, now, before = self.scroll_offset.y, self._clock(), dict(self._needs)
        for place in range(top, min(top + self.body_height, view.line_count)):
            row = view.line(place)
            if isinstance(row, Group) or self._measured.get(row.id) == row.version:
                continue
            self._measured[row.id] = row.version
            for column in MEASURED:
                need = min(column.need(row, now), MOST_NEEDED)
                if need > self._needs.get(column.id, 0):
                    self._needs[column.id] = need
        return self._needs != before

    def action_pan(self, step: int) -> None:
        """Scroll the columns sideways; the first two stay."""
        placed = [each.column for each in self.placed]
        if step > 0 and (placed[-1:] == self._columns[-1:] and (self._pan or not self.columns_hidden)):
            return
        self._pan = max(0, min(self._pan + step, len(self._columns) - FROZEN))
        self.place_columns()

    def head_clicked(self, x: int) -> None:
        inside = x - PREFIX
        placed = next((each for each in self.placed if each.start <= inside < each.start + each.width), None)
        if placed is not None and self._border_at(x) is None:
            self.post_message(self.SortChosen(placed.column.id))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Start to drag the border between two column headers."""
        if event.y < HEAD_LINES and (placed := self._border_at(event.x)) is not None:
            self._sizing = placed
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._sizing is not None:
            width = max(MIN_WIDTH, event.x - PREFIX - self._sizing.start)
            self.post_message(self.ColumnResized(self._sizing.column.id, width))

    def on_mouse_up(self, _: events.MouseUp) -> None:
        if self._sizing is not None:
            self._sizing = None
            self.release_mouse()

    def head(self, sorted_by: str | None, rising: bool) -> str:
        """Return the line of column headers, with an arrow for the sort order."""
        cells, end = [" " * PREFIX], 0
        for column, start, width in self.placed:
            # Of one letter an ellipsis would be left.
            title = column.title if width >= MIN_WIDTH else column.title[:width]
            if column.id == sorted_by:
                # The title is cut, not the arrow.
                title = fit(title, min(width_of(title), width - 1)) + sort_arrow(rising)
            cells.append(" " * (start - end) + fit(title, width, right=column.right))
            end = start + width
        return "".join(cells)

    def _border_at(self, x: int) -> Placed | None:
        return next((each for each in self.placed if x - PREFIX == each.start + each.width), None)
