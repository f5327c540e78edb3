"""A question to confirm; Cancel has the focus, and only ``y`` or the other button confirms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Button, Static

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content


class AskDialog(Dialog[bool]):
    """Returns whether the user confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "yes", show=False),
        Binding("n,escape,q", "cancel", "no", show=False),
    ]
    AUTO_FOCUS = "#cancel"
    READ_FIRST = True

    def __init__(self, title: str, question: str, yes: str, *, danger: bool = True) -> None:
        super().__init__()
        self._heading, self.question, self._yes, self._danger = title, question, yes, danger

    def compose(self) -> Iterable[Widget]:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(clean(self._heading))
            yield Static(content(Piece(clean(self.question), "busy" if self._danger else "text")))
            with Horizontal(id="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self._yes, id="confirm", variant="error" if self._danger else "primary", compact=True)
                yield Static(content(Piece("y confirm · enter/esc cancel", "dim")), id="dialog-keys")

    @on(Button.Pressed, "#confirm")
    def action_confirm(self) -> None:
        self.dismiss(True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(False)
