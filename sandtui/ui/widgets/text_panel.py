"""A text that is updated often but rarely changes."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class TextPanel(Static):
    """Redraws only if the text has changed, and lays out only if its height has."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._shown = Content("")

    def show(self, text: Content) -> None:
        same = text.plain == self._shown.plain
        if same and text.spans == self._shown.spans:
            return
        same_size = text.plain.count("\n") == self._shown.plain.count("\n")
        self._shown = text
        self.update(text, layout=not same_size)
