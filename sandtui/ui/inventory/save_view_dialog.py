"""Asks for the name and the key of a view to save."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.inventory.saved_views import check_key
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.text import Piece, content

KEYS = "abcdefghijklmnopqrstuvwxyz0123456789"


class SaveViewDialog(Dialog[tuple[str, str]]):
    """Returns name and key, or None. An empty name becomes ``default_name``, an empty key the first free one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]
    AUTO_FOCUS = "#view-name"

    def __init__(self, default_name: str, taken: Collection[str]) -> None:
        super().__init__()
        self._default_name, self._taken = default_name, taken

    def compose(self) -> Iterable[Widget]:
        with DialogBox("Save this view", classes="command form"):
            yield Static(content(Piece("Name", "dim")))
            yield Input(placeholder=clean(self._default_name), compact=True, id="view-name")
            yield Static(content(Piece("Key (optional)", "dim")))
            yield Input(placeholder="a free letter", compact=True, max_length=1, id="view-key")
            yield Static(content(Piece("enter save · tab next field · esc cancel", "dim")), id="dialog-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        name = self.query_one("#view-name", Input).value.strip() or self._default_name
        key = self.query_one("#view-key", Input).value.strip() or free_key(name, self._taken)
        problem = check_key(key)
        if problem:
            self.query_one("#dialog-keys", Static).update(content(Piece(clean(problem), "bad")))
        else:
            self.dismiss((name, key))

    def action_close(self) -> None:
        self.dismiss(None)


def free_key(name: str, taken: Collection[str]) -> str:
    """Return the first character of the name that is free, or another letter or digit; empty if none is left."""
    letters = (letter for letter in (*name.lower(), *KEYS) if letter in KEYS)
    return next((letter for letter in letters if letter not in taken and not check_key(letter)), "")
