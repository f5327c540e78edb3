"""A table of directory entries. The cursor is a name, not a position, so that it survives changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from sandtui.fleet.files.entry import FileEntry
from sandtui.ui.rendering.text import Piece
from sandtui.ui.widgets.cursor_view import HEAD_LINES, CursorView

STRIPS_KEPT = 400

Line = Callable[[FileEntry, int], list[Piece]]


class FileTable(CursorView, can_focus=True):
    """Shows entries with a cursor and marks. ``line`` renders an entry for a width, ``head`` the column headings."""

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
        """A row was double-clicked."""

        table: FileTable

    @dataclass
    class Moved(Message):
        """The cursor moved to another row."""

        table: FileTable

    def __init__(self, line: Line, head: Callable[[int], list[Piece]], *, id: str | None = None) -> None:  # noqa: A002
        self._strips: LRUCache[Hashable, Strip] = LRUCache(STRIPS_KEPT)
        super().__init__(id=id)
        self._line, self._head = line, head
        self._rows: Sequence[FileEntry] = ()
        self._marks: set[str] = set()
        self._name: str | None = None
        self._anchor: str | None = None
        self._empty: list[Piece] = []

    @property
    def name_at_cursor(self) -> str | None:
        """The name under the cursor."""
        return self._name

    @property
    def entry(self) -> FileEntry | None:
        """The entry under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def has_anchor(self) -> bool:
        """Whether a range was started."""
        return self._anchor is not None

    @property
    def range_names(self) -> list[str]:
        """The names between the anchor and the cursor."""
        places = [index for index, row in enumerate(self._rows) if row.name == self._anchor]
        if not places:
            return []
        first, last = sorted((places[0], self._cursor))
        return [row.name for row in self._rows[first : last + 1]]

    def set_anchor(self, anchored: bool) -> None:
        """Start a range at the cursor, or cancel it."""
        self._anchor = self._name if anchored else None
        self.refresh()

    def show(self, rows: Sequence[FileEntry], marks: set[str], go_to: str | None = None) -> None:
        """Show rows; the cursor keeps its name and screen line, or moves to the name ``go_to``."""
        line = self._cursor - self.scroll_offset.y
        wanted = go_to if go_to is not None else self._name
        self._rows, self._marks = rows, set(marks)
        self._strips.clear()
        index = next((index for index, row in enumerate(rows) if row.name == wanted), None)
        if index is None:
            index = 0 if go_to is not None else max(0, min(self._cursor, len(rows) - 1))
        self._measure()
        self.put_cursor(index)
        if go_to is None:
            self.scroll_lines(index - max(0, min(line, self.body_height - 1)))
        self.reveal()
        self.refresh()

    def show_empty(self, pieces: list[Piece]) -> None:
        """Set the line shown when there are no rows."""
        if pieces != self._empty:
            self._empty = pieces
            if not self._rows:
                self.refresh()

    def redraw(self) -> None:
        """Redraw all rows, since something other than the entries has changed."""
        self._strips.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row; open it on a double click."""
        index = self.scroll_offset.y + event.y - HEAD_LINES
        if event.y >= HEAD_LINES and 0 <= index < len(self._rows):
            self.go(index)
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
        """Clear the render cache after a theme change."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """Render one line."""
        width, base = self.size.width, self.rich_style
        if y < HEAD_LINES:
            return Strip(self.segments(self._head(width), base)).adjust_cell_length(width, base)
        index = self.scroll_offset.y + y - HEAD_LINES
        if index >= len(self._rows):
            if index == 1 and not self._rows:
                return Strip(self.segments(self._empty, base)).adjust_cell_length(width, base)
            return Strip.blank(width, base)
        row = self._rows[index]
        at_cursor = index == self._cursor
        in_range = self._anchor is not None and self._in_range(index)
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
        """The number of entries."""
        return len(self._rows)

    def _in_range(self, index: int) -> bool:
        anchor = next((n for n, row in enumerate(self._rows) if row.name == self._anchor), None)
        return anchor is not None and min(anchor, self._cursor) <= index <= max(anchor, self._cursor)

    def put_cursor(self, index: int) -> None:
        """Move the cursor to an entry."""
        self._cursor = index
        name = self._rows[index].name if index < len(self._rows) else None
        if name != self._name:
            self._name = name
            self.post_message(self.Moved(self))

    def _measure(self) -> None:
        size = Size(self.size.width, len(self._rows) + HEAD_LINES)
        if size != self.virtual_size:
            self.virtual_size = size
