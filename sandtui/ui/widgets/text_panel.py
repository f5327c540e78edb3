"""A text that is often given anew and seldom another."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class TextPanel(Static):
    """Draws only a text that looks different, and lays out only one of another height."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._shown = Content("")

    def show(self, text: Content) -> None:
        """Draw a text."""
        same = text.plain == self._shown.plain
        if same and text.spans == self._shown.spans:
            return
        same_size = text.plain.count("\n") == self._shown.plain.count("\n")
        self._shown = text
        self.update(text, layout=not same_size)
