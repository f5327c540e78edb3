"""A directory, drawn line by line. The cursor is a name and not a position: whatever comes or goes, it stays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from sandtui.fleet.files.entry import Entry
from sandtui.ui.rendering.text import Piece
from sandtui.ui.widgets.cursor_view import HEAD_LINES, CursorView

STRIPS_KEPT = 400

Line = Callable[[Entry, int], list[Piece]]


class FileTable(CursorView, can_focus=True):
    """Entries with a cursor and marks. ``line`` draws an entry in a number of cells, ``head`` what is above them."""

    DEFAULT_CSS = """
    FileTable {
        height: 1fr; background: $surface; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: auto;
        & > .file-table--cursor { background: $primary 8%; }
        &:focus > .file-table--cursor { background: $primary 15%; text-style: bold; }
        & > .file-table--range { background: $primary 11%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"file-table--cursor", "file-table--range"}

    @dataclass
    class Opened(Message):
        """A line was clicked twice."""

        table: FileTable

    @dataclass
    class Moved(Message):
        """The cursor stands on another line."""

        table: FileTable

    def __init__(self, line: Line, head: Callable[[int], list[Piece]], *, id: str | None = None) -> None:  # noqa: A002
        self._strips: LRUCache[Hashable, Strip] = LRUCache(STRIPS_KEPT)
        super().__init__(id=id)
        self._line, self._head = line, head
        self._rows: Sequence[Entry] = ()
        self._marks: set[str] = set()
        self._name: str | None = None
        self._anchor: str | None = None
        self.empty: list[Piece] = []
        """What stands there when there is no row."""

    @property
    def name_at_cursor(self) -> str | None:
        """The name under the cursor."""
        return self._name

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def has_anchor(self) -> bool:
        """Whether a range was begun."""
        return self._anchor is not None

    @property
    def range_names(self) -> list[str]:
        """The names between the anchor and the cursor."""
        places = [place for place, row in enumerate(self._rows) if row.name == self._anchor]
        if not places:
            return []
        first, last = sorted((places[0], self._cursor))
        return [row.name for row in self._rows[first : last + 1]]

    def set_anchor(self, anchored: bool) -> None:
        """Begin a range at the cursor, or end it."""
        self._anchor = self._name if anchored else None
        self.refresh()

    def show(self, rows: Sequence[Entry], marks: set[str], go_to: str | None = None) -> None:
        """Draw these rows; the cursor stays on its name and its line, or goes to the name ``go_to``."""
        line = self._cursor - self.scroll_offset.y
        wanted = go_to if go_to is not None else self._name
        self._rows, self._marks = rows, set(marks)
        self._strips.clear()
        place = next((place for place, row in enumerate(rows) if row.name == wanted), None)
        if place is None:
            place = 0 if go_to is not None else max(0, min(self._cursor, len(rows) - 1))
        self._measure()
        self.put_cursor(place)
        if go_to is None:
            self.scroll_lines(place - max(0, min(line, self.body_height - 1)))
        self.reveal()
        self.refresh()

    def redraw(self) -> None:
        """Draw every line anew: what they show besides the entries has changed."""
        self._strips.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points; open on the second click."""
        place = self.scroll_offset.y + event.y - HEAD_LINES
        if event.y >= HEAD_LINES and 0 <= place < len(self._rows):
            self.go(place)
            if event.chain == 2:
                self.post_message(self.Opened(self))

    def on_resize(self, _: events.Resize) -> None:
        self._strips.clear()
        self._measure()
        self.reveal()
        self.refresh()

    def on_focus(self, _: events.Focus) -> None:
        self.refresh()

    def on_blur(self, _: events.Blur) -> None:
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget what was drawn: the theme has changed."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        width, base = self.size.width, self.rich_style
        if y < HEAD_LINES:
            return Strip(self.segments(self._head(width), base)).adjust_cell_length(width, base)
        place = self.scroll_offset.y + y - HEAD_LINES
        if place >= len(self._rows):
            if place == 1 and not self._rows:
                return Strip(self.segments(self.empty, base)).adjust_cell_length(width, base)
            return Strip.blank(width, base)
        row = self._rows[place]
        at_cursor = place == self._cursor
        in_range = self._anchor is not None and self._in_range(place)
        key = (row, row.name in self._marks, at_cursor, at_cursor and self.has_focus, in_range)
        strip = self._strips.get(key)
        if strip is None:
            if at_cursor:
                base = self.get_component_rich_style("file-table--cursor")
            elif in_range:
                base = self.get_component_rich_style("file-table--range")
            bar = Piece("▌" if at_cursor and self.has_focus else " ", "key")
            mark = Piece("✓ " if row.name in self._marks else "  ", "key")
            pieces = [bar, mark, *self._line(row, width - 3)]
            strip = Strip(self.segments(pieces, base)).adjust_cell_length(width, base)
            self._strips[key] = strip
        return strip

    @property
    def line_count(self) -> int:
        """How many entries there are."""
        return len(self._rows)

    def _in_range(self, place: int) -> bool:
        anchor = next((n for n, row in enumerate(self._rows) if row.name == self._anchor), None)
        return anchor is not None and min(anchor, self._cursor) <= place <= max(anchor, self._cursor)

    def put_cursor(self, place: int) -> None:
        """Put the cursor on an entry."""
        self._cursor = place
        name = self._rows[place].name if place < len(self._rows) else None
        if name != self._name:
            self._name = name
            self.post_message(self.Moved(self))

    def _measure(self) -> None:
        size = Size(self.size.width, len(self._rows) + HEAD_LINES)
        if size != self.virtual_size:
            self.virtual_size = size
