"""The fleet as a map: one cell for each sandbox, in the order and the groups of the list.

The map has no rows and no cursor of its own: both are those of the list, so that filter, marks, ranges and all actions
mean the same sandboxes in both. One cell never stands for several: what does not fit is scrolled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from sandtui.fleet.inventory.expiry import STEPS, expiries
from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.heat import MEASURES, HeatMeasure
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.view import FleetView
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.inventory.groups import GroupScale, group_pieces
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.rendering.charts import BARS, upright
from sandtui.ui.rendering.status import SHOWN_ORDER, glyph, status_style
from sandtui.ui.rendering.text import Piece, Role, fit, fit_middle, width_of
from sandtui.ui.theme.roles import RoleView

NAMED, SPACED, CLOSE, DENSE = 20, 3, 2, 1
"""Columns for each sandbox: with its name, with a mark and a gap, with a mark, or its sign alone.

The widest with which all fit is used, or, where none fits, with which there is little more to scroll."""

LITTLE_MORE = 1.2

MOST_COUNTED = 10_000
"""Up to this many sandboxes are counted for the legend."""

MOST_POLLED = 300
"""With more in view, what changes is learned from the listing of the whole fleet alone."""

MARK = "✓"

ROLES: dict[str, tuple[Role, ...]] = {
    "age": ("bright", "info", "info", "info", "text", "dim", "dim", "dim"),
    "left": ("dim", "dim", "info", "info", "info", "busy", "busy", "bad"),
    "cpu": ("dim", "dim", "info", "info", "info", "info", "busy", "busy"),
    "memory": ("dim", "dim", "info", "info", "info", "info", "busy", "bad"),
}
"""The roles of the levels: what is as usual is quiet. The heights of the bars tell the same."""

UNKNOWN = Piece("·", "dim")


@dataclass(frozen=True, slots=True)
class _MapLine:
    """A line of the map: the sandboxes at ``count`` places from ``first`` on, or the header of a group."""

    first: int
    count: int
    is_header: bool = False


class HeatMap(RoleView, can_focus=True):
    """Draws the sandboxes of a :class:`FleetTable` as cells, and moves its cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "left", show=False),
        Binding("right", "step(1)", "right", show=False),
        Binding("up,k", "rise(-1)", "up", show=False),
        Binding("down,j", "rise(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"heat-map--cursor", "heat-map--range", "heat-map--mark"}
    DEFAULT_CSS = """
    HeatMap {
        height: 1fr; padding: 0 1; background: $surface; scrollbar-size-vertical: 1; overflow-x: hidden;
        overflow-y: scroll;
        & > .heat-map--cursor { text-style: reverse; }
        & > .heat-map--range { background: $primary 15%; }
        & > .heat-map--mark { text-style: underline; }
    }
    """

    class Opened(Message):
        """A cell was double-clicked."""

    def __init__(
        self,
        table: Callable[[], FleetTable],
        clock: Callable[[], datetime],
        *,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._find_table = table
        self._clock = clock
        self._view: FleetView | None = None
        self._lines: list[_MapLine] = []
        self._cell = 1
        self._range: frozenset[str] = frozenset()
        self._drawn_cursor = 0
        self._scale = GroupScale()
        self.measure: HeatMeasure = MEASURES[0]

    @property
    def table(self) -> FleetTable:
        """The list whose cursor it moves."""
        return self._find_table()

    @property
    def visible_ids(self) -> list[str]:
        """The ids of the sandboxes in view, if they are few enough to be polled one by one."""
        top = self.scroll_offset.y
        lines = self._lines[top : top + self._height]
        if self._view is None or not lines or lines[-1].first + lines[-1].count - lines[0].first > MOST_POLLED:
            return []
        return list(self._view.row_ids(lines[0].first, lines[-1].first + lines[-1].count - 1))

    def show(self, view: FleetView) -> None:
        """Show the rows of a view."""
        self._view = view
        self._scale = GroupScale.of(view.groups)
        self._lay_out()
        self.refresh()

    def show_measure(self, measure: HeatMeasure) -> None:
        """Show another measure."""
        self.measure = measure
        self.refresh()

    def retime(self) -> None:
        """Draw the values that depend on the time."""
        if self.measure.timed:
            self.refresh()

    def show_cursor(self) -> None:
        """Draw the cells between the last cursor and the current one, and scroll to it."""
        ranged = frozenset(self.table.range_ids)
        if ranged != self._range:
            self._range = ranged
            self.refresh()
        old, new = self._line_of(self._drawn_cursor), self._line_of(self.table.cursor)
        self._drawn_cursor = self.table.cursor
        self._reveal(new)
        top, width = self.scroll_offset.y, self.size.width
        self.refresh(*(Region(0, line - top, width, 1) for line in {old, new} if 0 <= line - top < self.size.height))

    # The cursor

    def action_step(self, step: int) -> None:
        """Move by cells, over the ends of lines."""
        self.table.go(self.table.cursor + step)

    def action_rise(self, step: int) -> None:
        """Move by lines, in the same column."""
        self._go(self._line_of(self.table.cursor) + step)

    def action_page(self, pages: int) -> None:
        """Move by screens."""
        self._go(self._line_of(self.table.cursor) + pages * max(1, self._height - 1))

    def action_first(self) -> None:
        self.table.go(0)

    def action_last(self) -> None:
        self.table.go(self.table.line_count - 1)

    def on_click(self, event: events.Click) -> None:
        index = self._index_at(event.x - self.styles.padding.left, self.scroll_offset.y + event.y)
        if index is None:
            return
        self.table.go(index)
        if event.chain == 2:
            self.post_message(self.Opened())

    def on_resize(self) -> None:
        self._lay_out()
        self._reveal(self._line_of(self.table.cursor))

    def _go(self, line: int) -> None:
        """Move to another line, as near to the column of the cursor as it has cells."""
        if not self._lines:
            return
        here = self._lines[self._line_of(self.table.cursor)]
        target = self._lines[max(0, min(line, len(self._lines) - 1))]
        column = 0 if here.is_header else self.table.cursor - here.first
        self.table.go(target.first + min(column, target.count - 1))

    def _index_at(self, x: int, line: int) -> int | None:
        if not 0 <= line < len(self._lines) or x < 0:
            return None
        found = self._lines[line]
        if found.is_header:
            return found.first
        column = x // self._cell
        return found.first + column if column < found.count else None

    # Layout

    @property
    def _height(self) -> int:
        return max(1, self.size.height)

    @property
    def _width(self) -> int:
        return max(1, self.scrollable_content_region.width)

    def _lay_out(self) -> None:
        if self._view is None:
            self._lines = []
            return
        width = self._width
        shortest = len(map_lines(self._view, width))
        for cell in (NAMED, SPACED, CLOSE, DENSE):
            # The gap after the last cell may be cut.
            self._cell, self._lines = cell, map_lines(self._view, max(1, (width + (cell > CLOSE)) // cell))
            if len(self._lines) <= (self._height if cell == NAMED else max(self._height, shortest * LITTLE_MORE)):
                break
        size = Size(width, len(self._lines))
        if size != self.virtual_size:
            self.virtual_size = size

    def _line_of(self, index: int) -> int:
        """Return the line of the map on which a line of the list is."""
        low, high = 0, len(self._lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._lines[middle].first <= index:
                low = middle
            else:
                high = middle - 1
        return max(0, low)

    def _reveal(self, line: int) -> None:
        top = self.scroll_offset.y
        if line < top or line >= top + self._height:
            wanted = line if line < top else line - self._height + 1
            self.scroll_to(y=max(0, wanted), animate=False, immediate=True, force=True)

    # Drawing

    def render_line(self, y: int) -> Strip:
        base, width = self.rich_style, self.size.width
        line, view = self.scroll_offset.y + y, self._view
        if not self._lines:
            return self._empty_line(y, width, base)
        if view is None or line >= len(self._lines):
            return Strip.blank(width, base)
        part = self._lines[line]
        if part.first + part.count > view.line_count:
            # The view has changed and is shown in a moment.
            return Strip.blank(width, base)
        if part.is_header:
            group = view.line(part.first)
            pieces = group_pieces(group, self._scale, self._width) if isinstance(group, Group) else []
            style = base + self._cursor_style() if part.first == self.table.cursor else base
            return Strip(self.segments(pieces, style)).adjust_cell_length(width, base)
        now = self._clock().timestamp()
        segments: list[Segment] = []
        for index in range(part.first, part.first + part.count):
            row = view.line(index)
            if isinstance(row, Row):
                segments += self._cell_segments(row, index, now, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _empty_line(self, y: int, width: int, base: Style) -> Strip:
        """Draw a line of what the list says when it has no rows."""
        empty = self.table.empty
        index = y - max(0, (self._height - len(empty)) // 3)
        pieces = empty[index] if 0 <= index < len(empty) else []
        before = max(0, (width - sum(width_of(piece.text) for piece in pieces)) // 2)
        return Strip(self.segments([Piece(" " * before), *pieces], base)).adjust_cell_length(width, base)

    def _cell_segments(self, row: Row, index: int, now: float, base: Style) -> list[Segment]:
        view = self._view
        marked = view is not None and row.id in view.marks
        style = base
        if row.id in self._range:
            style += self.get_component_rich_style("heat-map--range")
        if index == self.table.cursor:
            style += self._cursor_style()
        sign = sign_of(self.measure, row, now)
        if self._cell == DENSE:
            if marked:
                style += self.get_component_rich_style("heat-map--mark", partial=True)
                sign = Piece(sign.text, "key")
            return self.segments([sign], style)
        pieces = [sign, Piece(MARK if marked else " ", "key")]
        if self._cell == NAMED:
            pieces.append(Piece(fit_middle(clean(row.sandbox.name), NAMED - SPACED), quiet(sign.role)))
        gap = [Segment(" ", base)] if self._cell > CLOSE else []
        return self.segments(pieces, style) + gap

    def _cursor_style(self) -> Style:
        return self.get_component_rich_style("heat-map--cursor", partial=True)


def map_lines(view: FleetView, per_line: int) -> list[_MapLine]:
    """Return the lines of a map that has ``per_line`` cells on each, the headers of groups on lines of their own."""
    if view.grouping is None:
        blocks = [(0, view.line_count)]
    else:
        blocks, index = [], 0
        for group in view.groups:
            blocks.append((index, 0 if group.collapsed else len(group.rows)))
            index += 1 + blocks[-1][1]
    lines: list[_MapLine] = []
    for first, count in blocks:
        if view.grouping is not None:
            lines.append(_MapLine(first, 1, is_header=True))
            first += 1
        lines += [
            _MapLine(start, min(per_line, first + count - start)) for start in range(first, first + count, per_line)
        ]
    return lines


def sign_of(measure: HeatMeasure, row: Row, now: float) -> Piece:
    """Return the sign of a sandbox."""
    if measure.level is None:
        return glyph(row.status)
    level = measure.level(row, now)
    if level is not None:
        return Piece(BARS[level], ROLES[measure.id][level])
    return UNKNOWN if not row.sandbox.is_finished else glyph(row.status)


def quiet(role: Role) -> Role:
    """Return the role of the name beside a sign."""
    return role if role in {"dim", "bad"} else "text"


def legend(view: FleetView, measure: HeatMeasure, now: float, width: int) -> list[list[Piece]]:
    """Return what the signs mean, each with its count, on as many lines as they take."""
    lines: list[list[Piece]] = [[]]
    for entry in _entries(view, measure, now):
        used, wide = (sum(width_of(piece.text) for piece in pieces) for pieces in (lines[-1], entry))
        if used and used + 3 + wide > width:
            lines.append([])
        lines[-1] += [Piece("   "), *entry] if lines[-1] else entry
    return lines


def _entries(view: FleetView, measure: HeatMeasure, now: float) -> list[list[Piece]]:
    rows = view.rows if view.count <= MOST_COUNTED else []
    if measure.level is None:
        counts = Counter(row.status for row in rows)
        known = [status for status in SHOWN_ORDER if counts[status]]
        others = sorted(status for status in counts if status not in SHOWN_ORDER)
        return [
            [glyph(status), Piece(f" {status_style(status).word.lower()}", "dim"), Piece(f" {counts[status]:,}")]
            for status in (*known, *others)
        ]
    found = Counter(measure.level(row, now) for row in rows)
    entries = []
    for level, name in enumerate(measure.names):
        if found[level] or not rows:
            sign = Piece(BARS[level], ROLES[measure.id][level])
            entries.append([sign, Piece(f" {name}", "dim"), Piece(f" {found[level]:,}" if rows else "")])
    ended = sum(row.sandbox.is_finished and measure.level(row, now) is None for row in rows)
    if unknown := found[None] - ended:
        entries.append([UNKNOWN, Piece(f" {measure.unknown}", "dim"), Piece(f" {unknown:,}")])
    if ended:
        # Drawn by their status.
        entries.append([glyph("ERROR"), glyph("TERMINATED"), Piece(" ended", "dim"), Piece(f" {ended:,}")])
    return entries


HISTOGRAM_HEIGHT = 3
_BIN, _GAP = 8, 2


def ends_histogram(view: FleetView, now: float) -> list[list[Piece]]:
    """Return the lines of a histogram of when the sandboxes end; nothing if none does, or if there are very many."""
    if view.count > MOST_COUNTED:
        return []
    found = expiries(view.rows, now)
    names = [name for name, _ in STEPS] + (["never"] if found.unlimited else [])
    counts = [*found.counts, *([found.unlimited] if found.unlimited else [])]
    if not any(counts):
        return []
    rows = upright(counts, _BIN, _GAP, HISTOGRAM_HEIGHT)
    gap = " " * _GAP
    soon = _BIN + _GAP
    lines = [
        [
            Piece(f"{'Ends in':<9}" if index == 0 else " " * 9, "dim"),
            Piece(row[:soon], "busy"),
            Piece(row[soon:], "info"),
        ]
        for index, row in enumerate(rows)
    ]
    lines.append(
        [Piece(" " * 9), *(Piece(fit(f"{count:,}", _BIN) + gap, "text" if count else "dim") for count in counts)]
    )
    lines.append([Piece(" " * 9), *(Piece(fit(name, _BIN) + gap, "dim") for name in names)])
    return lines
