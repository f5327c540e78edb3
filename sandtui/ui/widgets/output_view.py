"""A view of lines: only the visible ones are made safe and formatted."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import var
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer

from sandtui.ui.rendering.row_index import RowIndex
from sandtui.ui.rendering.text import Piece, width_of
from sandtui.ui.rendering.wrap import wrapped
from sandtui.ui.theme.roles import RoleView
from sandtui.ui.widgets.cursor_view import CURSOR_KEYS

LineSource = Callable[[int], list[Piece]]

COUNTING_SECONDS, COUNTING_PAUSE = 0.006, 0.005
"""Wrapped lines are measured in slices of this length, with pauses in which keys are handled."""

NARROWEST = 2
"""Minimum width of wrapped lines in cells: a wide character must fit."""


class OutputView(RoleView, can_focus=True):
    """A read-only view of lines with a cursor. With ``follows`` it stays at the end until the user scrolls away.

    ``source`` returns the pieces of a line by its index; ``at_most`` may return a fast upper bound of its width in
    cells. With ``fits`` the source makes its lines for the width of the view, which never scrolls sideways.
    Following, scrolling and wrapping are implemented here for all views of lines. Only keys and mouse pause
    following; a change of the size of the view or of its lines does not.
    """

    DEFAULT_CSS = """
    OutputView {
        height: 1fr; background: $surface; scrollbar-size: 1 1;
        & > .output-view--cursor { background: $primary 15%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"output-view--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = CURSOR_KEYS

    following = var(True, init=False)
    """Whether the view stays at the end as lines arrive."""

    wrap = var(False, init=False)
    """Whether long lines continue in the next row."""

    class CursorMoved(Message):
        """The user moved the cursor to another line."""

        def __init__(self, view: OutputView) -> None:
            super().__init__()
            self.view = view

    class TopReached(Message):
        """The user moved or scrolled to the first line."""

        def __init__(self, view: OutputView) -> None:
            super().__init__()
            self.view = view

    class EdgeReached(Message):
        """The user scrolled sideways where nothing is left: ``step`` is -1 at the left edge, 1 at the right."""

        def __init__(self, view: OutputView, step: int) -> None:
            super().__init__()
            self.view, self.step = view, step

    class FollowingChanged(Message):
        """Following was resumed or paused."""

        def __init__(self, view: OutputView) -> None:
            super().__init__()
            self.view = view

    def __init__(
        self,
        source: LineSource,
        *,
        follows: bool = True,
        at_most: Callable[[int], int] | None = None,
        fits: bool = False,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._source, self._at_most, self._fits = source, at_most, fits
        self.follows = follows
        """Whether this view can follow its end."""
        self.set_reactive(OutputView.following, follows)
        self._count = 0
        self._widest = 0
        self._cursor = 0
        self._hold = 0, 0
        """The line that stays in place when rows change, and its offset in rows from the top of the view."""
        self._index: RowIndex | None = None
        self._index_width = 0
        self._next: RowIndex | None = None
        self._next_width = 0
        self._counting: Timer | None = None
        self._cut: dict[int, list[list[Piece]]] = {}
        self._scrolling = False
        self._laid_out: tuple[object, ...] = ()

    # What is shown

    @property
    def allow_select(self) -> bool:
        return True

    @property
    def cursor(self) -> int:
        return self._cursor

    @property
    def count(self) -> int:
        """The number of lines."""
        return self._count

    @property
    def rows(self) -> int:
        """The number of rows of all lines."""
        return self._count if self._index is None else self._index.rows

    @property
    def text_width(self) -> int:
        """The width available to a line without scrolling sideways."""
        if self.wrap:
            # The column of the scroll bar is reserved: whether there is one depends on the wrapping.
            return max(NARROWEST, self.size.width - self.styles.scrollbar_size_vertical)
        return self.scrollable_content_region.width

    def show(self, count: int, *, same: int = 0, shift: int = 0) -> None:
        """Show ``count`` lines of the source; go to the end when following.

        ``shift`` lines were added in front since the last call, or removed if it is negative. Of the old lines the
        first ``same`` have not changed.
        """
        self._cut.clear()
        held, below = self._hold
        if shift and self._count:
            self._cursor, held = max(0, self._cursor + shift), max(0, held + shift)
        self._count = count
        self._cursor = max(0, min(self._cursor, count - 1))
        self._hold = max(0, min(held, count - 1)), below
        self._keep_heights(same, shift)
        self._count_rows()
        self._lay_out()

    def essentials(self) -> list[Region]:
        """Return the line under the cursor, which is drawn while the view has the focus."""
        if not self.has_focus:
            return []
        return [Region(0, self._row(self._cursor) - self._top_row, self.size.width, self._rows_of(self._cursor))]

    def point(self, line: int) -> None:
        """Move the cursor to a line on behalf of the program: of the rows above it, all that fit stay in view."""
        self._cursor = max(0, min(line, self._count - 1))
        self._scroll_rows(0)
        self._reveal(self._row(self._cursor), 1)
        self._hold_here()
        self.refresh()

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._put_cursor(self._count - 1)
        self.following = self.follows
        self._scroll_rows(self.rows)
        self._hold_here()
        self.refresh()
        self.cursor_put()

    def pause(self) -> None:
        """Stop following."""
        self._hold_here()
        self.following = False

    def restart(self) -> None:
        """Reset position and width, because other content follows."""
        self._cursor, self._hold, self._widest = 0, (0, 0), 0
        self.following = self.follows
        self.scroll_to(x=0, animate=False, immediate=True, force=True)

    def plain(self, line: int) -> str:
        """Return the text of a line as shown."""
        return "".join(piece.text for piece in self._source(line)) if 0 <= line < self._count else ""

    # Sideways

    def action_scroll_left(self) -> None:
        if self.scroll_offset.x > 0:
            super().action_scroll_left()
        else:
            self.post_message(self.EdgeReached(self, -1))

    def action_scroll_right(self) -> None:
        if self.scroll_offset.x < self.max_scroll_x:
            super().action_scroll_right()
        else:
            self.post_message(self.EdgeReached(self, 1))

    # The cursor

    def action_move(self, step: int) -> None:
        """Move the cursor by lines; within a line that is higher than the view, scroll by rows."""
        top, height = self._top_row, self._height_in_view
        first, rows = self._row(self._cursor), self._rows_of(self._cursor)
        in_view = first < top + height and first + rows > top
        if in_view and step > 0 and first + rows > top + height:
            self._scroll_inside(min(top + step, first + rows - height))
        elif in_view and step < 0 and first < top:
            self._scroll_inside(max(top + step, first))
        elif step < 0:
            self._move_to(max(0, self._cursor + step), from_below=True)
        else:
            self._move_to(self._cursor + step)

    def action_page(self, pages: int) -> None:
        """Move the cursor by ``pages`` screens."""
        top, height = self._top_row, self._height_in_view
        first, rows = self._row(self._cursor), self._rows_of(self._cursor)
        if first < top + height and first + rows > top:
            first = max(top, first) if pages < 0 else min(first + rows - 1, top + height - 1)
        self._go_to_row(first + pages * max(1, height - 1))

    def action_first(self) -> None:
        self._go_to_row(0)

    def action_last(self) -> None:
        """Go to the last line and follow."""
        self.follow()

    def on_click(self, event: events.Click) -> None:
        line, _ = self._line_of(self._top_row + event.y)
        if line < self._count:
            self.go_to(line)

    def go_to(self, line: int) -> None:
        """Move the cursor to a line on behalf of the user, and scroll to it."""
        self._move_to(line)

    def cursor_put(self) -> None:
        """Called when the user has moved the cursor, possibly to the same line."""
        if self._cursor == 0:
            self.post_message(self.TopReached(self))

    def go_to_text(self, line: int, needle: str) -> None:
        """Move the cursor to a line and scroll to a text in it; a lower-case needle matches any case."""
        self.go_to(line)
        text = self.plain(self._cursor)
        at = (text if needle != needle.lower() else text.lower()).find(needle)
        if at < 0:
            return
        if self._index is None:
            start, end = width_of(text[:at]), width_of(text[: at + len(needle)])
            left, width = self.scroll_offset.x, self.scrollable_content_region.width
            if not left <= start <= end <= left + width:
                self._widest = max(self._widest, width_of(text))
                self._measure()
                left = min(start, end - width) if end > width else 0
                self.scroll_to(x=left, animate=False, immediate=True, force=True)
        else:
            row = self._row(self._cursor)
            for pieces in self._parts(self._cursor):
                at -= sum(len(piece.text) for piece in pieces)
                if at < 0:
                    break
                row += 1
            self._reveal(row, 1)
            self._moved()

    def keep(self, line: int) -> None:
        """Move the cursor to the new index of its line after others were inserted above; it stays in place."""
        line = max(0, min(line, self._count - 1))
        held, below = self._hold
        if held == self._cursor:
            self._hold = line, below
        else:
            self._hold = max(0, held + line - self._cursor), below
        self._cursor = line
        self._lay_out()

    @property
    def reachable(self) -> int:
        """The number of lines, from the first, that the cursor can be on."""
        return self._count

    def _move_to(self, line: int, *, from_below: bool = False) -> None:
        """Move the cursor to a line and show all of it, or its nearer end."""
        if not self._count:
            return
        self._put_cursor(line)
        row, rows = self._row(self._cursor), self._rows_of(self._cursor)
        if rows > self._height_in_view:
            row, rows = row + (rows - 1 if from_below else 0), 1
            if not from_below:
                self._scroll_rows(row)
        self._reveal(row, rows)
        self._moved()
        self.cursor_put()

    def _go_to_row(self, row: int) -> None:
        """Move the cursor to the line at a row; show that row, and the whole line if it fits."""
        if not self._count:
            return
        row = max(0, min(row, self.rows - 1))
        self._put_cursor(self._line_of(row)[0])
        whole = self._row(self._cursor), self._rows_of(self._cursor)
        self._reveal(*(whole if whole[1] <= self._height_in_view else (row, 1)))
        self._moved()
        self.cursor_put()

    def _put_cursor(self, line: int) -> None:
        if self.following:
            # From here on the scroll position counts.
            self._scroll_rows(self.rows)
        before, self._cursor = self._cursor, max(0, min(line, self.reachable - 1))
        if before != self._cursor:
            self.post_message(self.CursorMoved(self))

    def _moved(self) -> None:
        last = self._cursor == self._count - 1
        self.following = self.follows and last and self.scroll_offset.y >= self.rows - self._height_in_view
        self._hold_here()
        self.refresh()

    def _reveal(self, row: int, rows: int) -> None:
        """Scroll as little as needed to show some rows."""
        top, height = self._top_row, self._height_in_view
        if row < top:
            self._scroll_rows(row)
        elif row + rows > top + height:
            self._scroll_rows(row + rows - height)

    def _scroll_inside(self, row: int) -> None:
        self._scroll_rows(row)
        self._moved()

    # Rows and lines

    @property
    def _height_in_view(self) -> int:
        return max(1, self.scrollable_content_region.height)

    @property
    def _top_row(self) -> int:
        """The first row in view; computed while following, because a scroll bar may have appeared since."""
        if self.following:
            return max(0, self.rows - self._height_in_view)
        return max(0, self.scroll_offset.y)

    def _row(self, line: int) -> int:
        return line if self._index is None else self._index.row(line)

    def _rows_of(self, line: int) -> int:
        return 1 if self._index is None else self._index.height(line)

    def _line_of(self, row: int) -> tuple[int, int]:
        return (row, 0) if self._index is None else self._index.find(row)

    def _parts(self, line: int) -> list[list[Piece]]:
        parts = self._cut.get(line)
        if parts is None:
            parts = self._cut[line] = wrapped(self._source(line), self._index_width)
        return parts

    def _height(self, line: int, width: int) -> int:
        if self._at_most is not None and self._at_most(line) <= width:
            return 1
        pieces = self._source(line)
        if all(piece.text.isascii() for piece in pieces):
            return max(1, -(-sum(len(piece.text) for piece in pieces) // width))
        return len(wrapped(pieces, width))

    def _keep_heights(self, same: int, shift: int) -> None:
        """Keep the heights that are still valid after lines have changed."""
        index, fresh = self._index, self._next
        if fresh is not None:
            fresh.drop(-shift)
            fresh.truncate(same if shift <= 0 else 0)
        if index is None:
            return
        index.drop(-shift)
        if fresh is not None or not same:
            # All lines are measured again; the old heights are used until that is done.
            index.truncate(self._count)
            self._next = fresh if fresh is not None else RowIndex()
            self._next_width = self._next_width if fresh is not None else self._index_width
            return
        index.truncate(same)
        if shift > 0:
            index.prepend([self._height(line, self._index_width) for line in range(shift)])

    def _count_rows(self) -> None:
        """Measure lines that have no height yet, for some milliseconds at a time."""
        if self._counting is not None:
            self._counting.stop()
            self._counting = None
        if not self.wrap:
            self._index = self._next = None
            return
        if not self.size.width:
            return
        width = self.text_width
        if self._next is None or self._next_width != width:
            self._next = None if self._index is not None and self._index_width == width else RowIndex()
            self._next_width = width
        index = self._next if self._next is not None else self._index
        if index is None:
            return
        end = monotonic() + COUNTING_SECONDS
        for line in range(len(index), self._count):
            index.append(self._height(line, width))
            if not line % 64 and monotonic() > end:
                self._counting = self.set_timer(COUNTING_PAUSE, self._count_on)
                return
        if self._next is not None:
            held, below = self._hold
            if below < 0 and self._index is not None:
                # The top of the view is inside a line: about the same part of it stays at the top.
                self._hold = held, below * self._index_width // width
            self._index, self._index_width, self._next = self._next, width, None
            self._cut.clear()

    def _count_on(self) -> None:
        self._counting = None
        self._count_rows()
        self._lay_out()

    # Scrolling

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Tell scrolling by the user from scrolling by a new layout: only the former pauses following."""
        super().watch_scroll_y(old, new)
        if self._scrolling:
            return
        if self._layout_now != self._laid_out:
            self.call_later(self._lay_out)
            return
        self.following = self.follows and new >= self.max_scroll_y and (self.following or new > old)
        self._hold_here()
        if new <= 0:
            self.post_message(self.TopReached(self))

    def watch_following(self) -> None:
        self.post_message(self.FollowingChanged(self))

    def watch_wrap(self) -> None:
        self.scroll_to(x=0, animate=False, immediate=True, force=True)
        self._count_rows()
        self._lay_out()

    def watch_show_horizontal_scrollbar(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._count_rows()
        self._lay_out()

    @property
    def _layout_now(self) -> tuple[object, ...]:
        return self.size, self.virtual_size, self.max_scroll_y

    def _lay_out(self) -> None:
        """Restore the position after rows have changed: the end, or the line held in place."""
        self._measure()
        if self.following:
            self._cursor = max(0, self._count - 1)
        if not self.size.height:
            return
        if self.following:
            self._scroll_rows(self.rows)
            self._hold_here()
        else:
            line, below = self._hold
            below = min(below, self._height_in_view - 1)
            self._scroll_rows(self._row(line) - max(below, 1 - self._rows_of(line)))
        if self.show_vertical_scrollbar:
            # It may have been hidden when the position changed, and hears only of changes.
            self.vertical_scrollbar.position = self.scroll_y
        self._laid_out = self._layout_now
        self.refresh()

    def _hold_here(self) -> None:
        """Hold the line of the cursor in place, or the first visible line if the cursor is not in view."""
        top, height = self._top_row, self._height_in_view
        row = self._row(self._cursor)
        if row < top + height and row + self._rows_of(self._cursor) > top:
            self._hold = self._cursor, row - top
        else:
            line, part = self._line_of(top)
            self._hold = line, -part
        self._laid_out = self._layout_now

    def _scroll_rows(self, row: int) -> None:
        self._scrolling = True
        try:
            self.scroll_to(y=max(0, row), animate=False, immediate=True, force=True)
        finally:
            self._scrolling = False

    def _measure(self) -> None:
        width = self.text_width if self._index is not None else self._widest
        size = Size(width, self.rows)
        if size != self.virtual_size:
            self._scrolling = True
            try:
                self.virtual_size = size
            finally:
                self._scrolling = False

    # Drawing

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        text = "\n".join(self.plain(line) for line in range(self._count))
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw some lines; they may have changed since they were wrapped."""
        self._cut.clear()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line, part = self._line_of(self._top_row + y)
        base = self.rich_style
        if line >= self._count:
            return Strip.blank(width, base)
        if line == self._cursor and self.has_focus:
            base = self.get_component_rich_style("output-view--cursor")
        scroll_x, before = self.scroll_offset.x, 0
        if self._index is None:
            pieces = self._source(line)
        else:
            parts = self._parts(line)
            pieces = parts[part] if part < len(parts) else []
            scroll_x, before = 0, sum(len(piece.text) for cut in parts[:part] for piece in cut)
        strip = Strip(self.segments(pieces, base))
        if self._index is None and not self._fits and strip.cell_length > self._widest:
            self._widest = strip.cell_length
            self.call_later(self._lay_out)
        if self.text_selection is not None:
            strip = self._selected(strip, line, before)
        return strip.crop_extend(scroll_x, scroll_x + width, base).apply_offsets(scroll_x + before, line)

    def _selected(self, strip: Strip, line: int, before: int) -> Strip:
        span = self.text_selection.get_span(line) if self.text_selection is not None else None
        if span is None:
            return strip
        text = "".join(segment.text for segment in strip)
        start = max(0, span[0] - before)
        end = len(text) if span[1] == -1 else max(start, span[1] - before)
        left, right = width_of(text[:start]), width_of(text[:end])
        style = self.screen.get_component_rich_style("screen--selection")
        parts = strip.divide([left, right, strip.cell_length])
        if len(parts) < 2:
            return strip
        middle = Strip([Segment(segment.text, (segment.style or style) + style) for segment in parts[1]])
        return Strip.join([parts[0], middle, *parts[2:]])
