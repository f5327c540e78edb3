"""A question to confirm. Enter confirms what destroys nothing, and cancels all else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, Static

from sandtui.fleet.text.sanitize import clean_lines
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DEFAULT, DialogBox, confirm_buttons, confirm_keys, text_body
from sandtui.ui.rendering.text import Content, Piece, Role, content, lines


class AskDialog(Dialog[bool]):
    """Returns whether the user confirmed. With ``danger`` something is lost: ``y`` or the button confirms, not enter.

    The texts may come from outside.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "yes", show=False),
        Binding("n,escape,q", "cancel", "no", show=False),
    ]
    AUTO_FOCUS = f".{DEFAULT}"
    READ_FIRST = True

    def __init__(self, title: str, question: str, yes: str, *, danger: bool = True) -> None:
        super().__init__()
        self._heading, self.question, self._yes, self._danger = title, question, yes, danger

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self._heading):
            yield text_body(self._text())
            yield confirm_buttons(self._yes, confirm_keys(danger=self._danger), danger=self._danger)

    def ask(self, question: str) -> None:
        """Ask another question, with more that is known now."""
        self.question = question
        if self.is_mounted:
            self.query_one(f".{BODY} Static", Static).update(self._text())

    def _text(self) -> Content:
        role: Role = "busy" if self._danger else "text"
        return lines([content(Piece(line, role)) for line in clean_lines(self.question)])

    @on(Button.Pressed, "#confirm")
    def action_confirm(self) -> None:
        self.dismiss(True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(False)
