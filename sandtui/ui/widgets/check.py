"""A checkbox that is empty when off: Textual's own differs by color alone."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Checkbox


class Check(Checkbox):
    """A :class:`Checkbox` that is readable without colors."""

    BUTTON_INNER = " "

    def __init__(self, label: str, value: bool = False, *, compact: bool = False, id: str | None = None) -> None:  # noqa: A002
        self.BUTTON_INNER = "X" if value else " "
        super().__init__(Content(label), value, compact=compact, id=id)

    def watch_value(self) -> None:
        self.BUTTON_INNER = "X" if self.value else " "
        super().watch_value()
