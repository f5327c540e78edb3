"""Lines of output, drawn one by one: only what is seen is made safe and formatted."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip

from sandtui.ui.render.text import Piece, width_of
from sandtui.ui.widgets.palette_roles import RoleView, role_css

LineSource = Callable[[int], list[Piece]]


class OutputView(RoleView, can_focus=True):
    """A read-only view of lines with a cursor. It follows the end until the user scrolls away.

    ``source`` turns a line's number into pieces; ``plain`` gives its text for copying.
    """

    DEFAULT_CSS = """
    OutputView {
        height: 1fr; background: $surface; scrollbar-size: 1 1;
        & > .output-view--cursor { background: $primary 15%; }
    }
    """ + role_css("OutputView")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"output-view--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
    ]

    class CursorMoved(Message):
        """The user put the cursor on another line."""

        def __init__(self, view: OutputView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, source: LineSource, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._source = source
        self._count = 0
        self._widest = 0
        self._cursor = 0
        self.following = True

    @property
    def allow_select(self) -> bool:
        """Text can be selected with the mouse."""
        return True

    @property
    def cursor(self) -> int:
        """The line under the cursor."""
        return self._cursor

    def show(self, count: int) -> None:
        """Draw the lines 0 to ``count`` of the source; go to the end when following."""
        self._count = count
        self._cursor = max(0, min(self._cursor, count - 1))
        self._measure()
        if self.following:
            self._to_end()
        self.refresh()

    def follow(self) -> None:
        """Go to the end and stay there."""
        self.following = True
        self._to_end()
        self.refresh()

    def plain(self, line: int) -> str:
        """Return the text of a line as it is shown."""
        return "".join(piece.text for piece in self._source(line)) if 0 <= line < self._count else ""

    def action_move(self, step: int) -> None:
        """Move the cursor by some lines."""
        self.go_to(self._cursor + step)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some screens."""
        self.go_to(self._cursor + pages * max(1, self.size.height - 1))

    def action_first(self) -> None:
        """Go to the first line."""
        self.go_to(0)

    def action_last(self) -> None:
        """Go to the last line and follow."""
        self.follow()

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Stop following when the user scrolls away from the end."""
        super().watch_scroll_y(old, new)
        if new < old and new < self.max_scroll_y:
            self.following = False

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points."""
        self.go_to(self.scroll_offset.y + event.y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text."""
        text = "\n".join(self.plain(line) for line in range(self._count))
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        scroll_x, scroll_y = self.scroll_offset
        width = self.size.width
        line = scroll_y + y
        base = self.rich_style
        if line >= self._count:
            return Strip.blank(width, base)
        if line == self._cursor and self.has_focus:
            base = self.get_component_rich_style("output-view--cursor")
        segments = self.segments(self._source(line), base)
        strip = Strip(segments)
        if strip.cell_length > self._widest:
            self._widest = strip.cell_length
            self.call_later(self._measure)
        if self.text_selection is not None:
            strip = self._selected(strip, line)
        return strip.crop_extend(scroll_x, scroll_x + width, base).apply_offsets(scroll_x, line)

    def _selected(self, strip: Strip, line: int) -> Strip:
        span = self.text_selection.get_span(line) if self.text_selection is not None else None
        if span is None:
            return strip
        start, end = span
        text = "".join(segment.text for segment in strip)
        end = len(text) if end == -1 else end
        left, right = width_of(text[:start]), width_of(text[:end])
        style = self.screen.get_component_rich_style("screen--selection")
        parts = strip.divide([left, right, strip.cell_length])
        if len(parts) < 2:
            return strip
        middle = Strip([Segment(segment.text, (segment.style or style) + style) for segment in parts[1]])
        return Strip.join([parts[0], middle, *parts[2:]])

    def go_to(self, line: int) -> None:
        """Put the cursor on a line and show it."""
        if not self._count:
            return
        before, self._cursor = self._cursor, max(0, min(line, self._count - 1))
        if before != self._cursor:
            self.post_message(self.CursorMoved(self))
        self.following = self._cursor == self._count - 1
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, immediate=True, force=True)
        self.refresh()

    def keep(self, line: int) -> None:
        """Put the cursor on the line that it was on before others came above it; it stays where it was seen."""
        shift = line - self._cursor
        self._cursor = max(0, min(line, self._count - 1))
        self.scroll_to(y=max(0, self.scroll_offset.y + shift), animate=False, immediate=True, force=True)
        self.refresh()

    def _to_end(self) -> None:
        self._cursor = max(0, self._count - 1)
        self.scroll_to(y=max(0, self._count - self.size.height), animate=False, immediate=True, force=True)

    def _measure(self) -> None:
        size = Size(self._widest, self._count)
        if size != self.virtual_size:
            self.virtual_size = size
