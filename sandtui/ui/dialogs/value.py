"""Asks for one line of text, and validates it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.text import Piece, content


class ValueDialog(Dialog[str]):
    """Returns the text, or None. ``check`` returns what is wrong with a text, an empty one too."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def __init__(self, title: str, label: str, example: str, check: Callable[[str], str], value: str = "") -> None:
        super().__init__()
        self._heading, self._label, self._example = title, label, example
        self._check, self._value = check, value

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self._heading, steady=True):
            yield Input(self._value, placeholder=f"{self._label}, e.g. {self._example}", compact=True, id="value")
            yield Static(content(Piece("enter OK · esc cancel", "dim")), id="dialog-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        problem = self._check(event.value)
        if problem:
            self.query_one("#dialog-keys", Static).update(content(Piece(clean(problem), "bad")))
        else:
            self.dismiss(event.value.strip())

    def action_close(self) -> None:
        self.dismiss(None)
