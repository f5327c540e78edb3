"""Lines with a cursor below a head: what the tables share."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from sandtui.ui.theme.roles import RoleView

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
    """The cursor is moved by keys and kept in view. Which lines there are, and what moving means, the table knows."""

    BINDINGS: ClassVar[list[BindingType]] = CURSOR_KEYS

    _cursor = 0

    @property
    def cursor(self) -> int:
        """The place of the cursor among the lines."""
        return self._cursor

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    @property
    def body_height(self) -> int:
        """How many lines there is room for below the head."""
        return max(1, self.size.height - HEAD_LINES)

    def put_cursor(self, place: int) -> None:
        """Put the cursor on a line, as the user wants it."""
        raise NotImplementedError

    def redraw_cursor(self) -> None:
        """Draw the cursor where it is now."""
        self.refresh()

    def go(self, place: int) -> None:
        """Put the cursor on a line, or on the nearest that there is, and show it."""
        if self.line_count:
            self.put_cursor(max(0, min(place, self.line_count - 1)))
            self.reveal()
            self.redraw_cursor()

    def reveal(self) -> None:
        """Scroll no further than the cursor needs."""
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_lines(self._cursor)
        elif self._cursor >= top + self.body_height:
            self.scroll_lines(self._cursor - self.body_height + 1)

    def scroll_lines(self, top: int) -> None:
        """Make a line the first in view, at once."""
        top = max(0, min(top, self.line_count - self.body_height))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def action_move(self, step: int) -> None:
        """Move the cursor by some lines."""
        self.go(self._cursor + step)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some screens."""
        self.go(self._cursor + pages * max(1, self.body_height - 1))

    def action_first(self) -> None:
        """Move the cursor to the first line."""
        self.go(0)

    def action_last(self) -> None:
        """Move the cursor to the last line."""
        self.go(self.line_count - 1)
