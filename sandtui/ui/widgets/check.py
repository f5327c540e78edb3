"""A box that is empty when it is off: Textual's own tells that by colour alone."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Checkbox


class Check(Checkbox):
    """A :class:`Checkbox` that can be read without colours."""

    BUTTON_INNER = " "

    def __init__(self, label: str, value: bool = False, *, compact: bool = False, id: str | None = None) -> None:  # noqa: A002
        self.BUTTON_INNER = "X" if value else " "
        super().__init__(Content(label), value, compact=compact, id=id)

    def watch_value(self) -> None:
        """Draw the sign, or none."""
        self.BUTTON_INNER = "X" if self.value else " "
        super().watch_value()
