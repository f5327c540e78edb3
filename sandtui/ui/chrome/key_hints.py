"""The footer of key hints: by priority, never cut, help always at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from sandtui.ui.rendering.text import Piece, content, width_of

GAP = 2


@dataclass(frozen=True, slots=True)
class Hint:
    """A key and what it does. When the line is short, hints with a larger ``rank`` are dropped first."""

    key: str
    title: str
    rank: int
    action: str = ""

    @property
    def width(self) -> int:
        """Width in cells."""
        return width_of(self.key) + 1 + width_of(self.title)


class KeyHints(Widget):
    """A line of hints; a click on a hint runs its action."""

    DEFAULT_CSS = """
    KeyHints { height: 1; width: 1fr; padding: 0 1; }
    """

    @dataclass
    class Chosen(Message):
        """A hint was clicked."""

        action: str

    hints: reactive[Sequence[Hint]] = reactive(())
    help_hint: reactive[Hint | None] = reactive(None)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._spans: list[tuple[int, int, str]] = []

    def show(self, hints: Sequence[Hint], help_hint: Hint | None) -> None:
        self.hints, self.help_hint = hints, help_hint

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def essentials(self) -> list[Region]:
        """Return all of the line."""
        return [Region(0, 0, *self.size)]

    def render(self) -> Content:
        """Draw the hints that fit, in their order."""
        width = self.content_size.width
        fitting = self._fitting(width)
        pieces: list[Piece] = []
        self._spans = []
        column = 0
        for hint in fitting:
            self._spans.append((column, column + hint.width, hint.action))
            pieces += [Piece(hint.key, "key"), Piece(f" {hint.title}", "dim"), Piece(" " * GAP)]
            column += hint.width + GAP
        if self.help_hint is not None:
            gap = max(0, width - column - self.help_hint.width)
            self._spans.append((column + gap, width, self.help_hint.action))
            pieces += [Piece(" " * gap), Piece(self.help_hint.key, "key"), Piece(f" {self.help_hint.title}", "dim")]
        return content(*pieces)

    def on_click(self, event: events.Click) -> None:
        column = event.x - 1
        for start, end, action in self._spans:
            if start <= column < end and action:
                self.post_message(self.Chosen(action))
                return

    def _fitting(self, width: int) -> list[Hint]:
        room = width - (self.help_hint.width if self.help_hint is not None else 0)
        chosen: set[int] = set()
        for index in sorted(range(len(self.hints)), key=lambda index: self.hints[index].rank):
            needed = self.hints[index].width + GAP
            if needed > room:
                break
            room -= needed
            chosen.add(index)
        return [hint for index, hint in enumerate(self.hints) if index in chosen]
