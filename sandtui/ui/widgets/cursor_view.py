"""The base of tables: a header, lines and a cursor."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region

from sandtui.ui.theme.roles import RoleView
from sandtui.ui.widgets.essentials import MARKS_WIDTH

HEAD_LINES = 1


CURSOR_KEYS: list[BindingType] = [
    Binding("up,k", "move(-1)", "up", show=False),
    Binding("down,j", "move(1)", "down", show=False),
    Binding("pageup", "page(-1)", "page up", show=False),
    Binding("pagedown", "page(1)", "page down", show=False),
    Binding("home,g", "first", "first", show=False),
    Binding("end,G", "last", "last", show=False),
]
"""Moves the cursor in every view of lines or rows."""


class CursorView(RoleView):
    """Moves the cursor by keys and scrolls it into view. Subclasses provide the lines and move the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = CURSOR_KEYS

    _cursor = 0

    @property
    def cursor(self) -> int:
        """The index of the line under the cursor."""
        return self._cursor

    @property
    def line_count(self) -> int:
        """The number of lines."""
        raise NotImplementedError

    @property
    def body_height(self) -> int:
        """The number of lines that fit below the header."""
        return max(1, self.size.height - HEAD_LINES)

    def put_cursor(self, index: int) -> None:
        """Move the cursor on behalf of the user."""
        raise NotImplementedError

    def essentials(self) -> list[Region]:
        """Return the row under the cursor, and the column of marks."""
        width, height = self.size
        row = Region(0, HEAD_LINES + self._cursor - self.scroll_offset.y, width, 1)
        return [row, Region(0, HEAD_LINES, MARKS_WIDTH, max(0, height - HEAD_LINES))]

    def redraw_cursor(self) -> None:
        """Redraw after a move."""
        self.refresh()

    def go(self, index: int) -> None:
        """Move the cursor to a line, or to the nearest one, and scroll to it."""
        if self.line_count:
            self.put_cursor(max(0, min(index, self.line_count - 1)))
            self.reveal()
            self.redraw_cursor()

    def reveal(self) -> None:
        """Scroll as little as needed to show the cursor."""
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_lines(self._cursor)
        elif self._cursor >= top + self.body_height:
            self.scroll_lines(self._cursor - self.body_height + 1)

    def scroll_lines(self, top: int) -> None:
        """Make a line the first in view, without animation."""
        top = max(0, min(top, self.line_count - self.body_height))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def action_move(self, step: int) -> None:
        """Move the cursor by ``step`` lines."""
        self.go(self._cursor + step)

    def action_page(self, pages: int) -> None:
        """Move the cursor by ``pages`` screens."""
        self.go(self._cursor + pages * max(1, self.body_height - 1))

    def action_first(self) -> None:
        self.go(0)

    def action_last(self) -> None:
        self.go(self.line_count - 1)
