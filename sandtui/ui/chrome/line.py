"""A line of the chrome: pieces at the left, pieces at the right, whatever the width."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from sandtui.ui.rendering.text import Piece, content, fit, width_of


class ChromeLine(Widget):
    """One line. What does not fit is cut from the left part first: the right part is short and matters."""

    DEFAULT_CSS = """
    ChromeLine { height: 1; width: 1fr; }
    """

    left: reactive[list[Piece]] = reactive(list)
    right: reactive[list[Piece]] = reactive(list)

    def show(self, left: list[Piece], right: list[Piece]) -> None:
        """Draw these pieces, when they are others than now."""
        self.left, self.right = left, right

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the whole width."""
        return container.width

    def render(self) -> Content:
        """Draw the line."""
        width = self.size.width
        right = _cut(self.right, width)
        left = _cut(self.left, max(0, width - _width(right) - (1 if right else 0)))
        gap = width - _width(left) - _width(right)
        return content(*left, Piece(" " * max(0, gap)), *right)


def _width(pieces: list[Piece]) -> int:
    return sum(width_of(piece.text) for piece in pieces)


def _cut(pieces: list[Piece], width: int) -> list[Piece]:
    room = width
    kept: list[Piece] = []
    for piece in pieces:
        wide = width_of(piece.text)
        if wide > room:
            if room > 0:
                kept.append(Piece(fit(piece.text, room), piece.role))
            break
        kept.append(piece)
        room -= wide
    return kept
