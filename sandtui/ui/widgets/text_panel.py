"""A text that is updated often but rarely changes."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget


class TextPanel(Widget):
    """Redraws only the lines that have changed, and lays out only if their number has."""

    DEFAULT_CSS = "TextPanel { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._shown = Content("")

    def render(self) -> Content:
        return self._shown

    def show(self, text: Content) -> None:
        before, self._shown = self._shown, text
        if text.plain == before.plain and text.spans == before.spans:
            return
        old, new, width = before.split(allow_blank=True), text.split(allow_blank=True), self.size.width
        if len(old) != len(new) or any(line.cell_length > width for line in (*old, *new)):
            # A line that is wrapped moves those below.
            self.refresh(layout=len(old) != len(new))
            return
        changed = (y for y, (was, now) in enumerate(zip(old, new, strict=True)) if not was.is_same(now))
        self.refresh(*(Region(0, y, width, 1) for y in changed))
