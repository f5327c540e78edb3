"""A line of text with a left and a right part, for any width."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.widget import Widget

from sandtui.ui.rendering.text import Piece, content, fit, width_of


class ChromeLine(Widget):
    """A line whose left part is cut first when it does not fit: the right part is short and important."""

    DEFAULT_CSS = """
    ChromeLine { height: 1; width: 1fr; }
    """

    left: reactive[list[Piece]] = reactive(list)
    right: reactive[list[Piece]] = reactive(list)

    def show(self, left: list[Piece], right: list[Piece]) -> None:
        """Draw these pieces if they have changed."""
        self.left, self.right = left, right

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def essentials(self) -> list[Region]:
        """Return all of the line."""
        return [Region(0, 0, *self.size)]

    def render(self) -> Content:
        width = self.size.width
        right = _cut(self.right, width)
        left = _cut(self.left, max(0, width - _width(right) - (1 if right else 0)))
        gap = width - _width(left) - _width(right)
        return content(*left, Piece(" " * max(0, gap)), *right)


def _width(pieces: list[Piece]) -> int:
    return sum(width_of(piece.text) for piece in pieces)


def _cut(pieces: list[Piece], width: int) -> list[Piece]:
    room = width
    fitted: list[Piece] = []
    for piece in pieces:
        wide = width_of(piece.text)
        if wide > room:
            if room > 0:
                fitted.append(Piece(fit(piece.text, room), piece.role))
            break
        fitted.append(piece)
        room -= wide
    return fitted
