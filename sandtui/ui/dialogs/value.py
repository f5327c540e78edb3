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
from sandtui.ui.widgets.suggest_input import Choices, SuggestInput


class ValueDialog(Dialog[str]):
    """Returns the text, or None. ``check`` returns what is wrong with a text, an empty one too.

    The ``choices`` are offered with the arrow keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def __init__(
        self,
        title: str,
        label: str,
        example: str,
        check: Callable[[str], str],
        value: str = "",
        choices: Choices | None = None,
    ) -> None:
        super().__init__()
        self._heading, self._label, self._example = title, label, example
        self._check, self._value, self._choices = check, value, choices

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self._heading, steady=True):
            placeholder = f"{self._label}, e.g. {self._example}"
            if self._choices is None:
                yield Input(self._value, placeholder=placeholder, compact=True, id="value")
            else:
                yield SuggestInput(self._value, self._choices, id="value")
            keys = "enter OK · esc cancel" if self._choices is None else "↓ next choice · enter OK · esc cancel"
            yield Static(content(Piece(keys, "dim")), id="dialog-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        problem = self._check(event.value)
        if problem:
            self.query_one("#dialog-keys", Static).update(content(Piece(clean(problem), "bad")))
        else:
            self.dismiss(event.value.strip())

    def action_close(self) -> None:
        self.dismiss(None)
