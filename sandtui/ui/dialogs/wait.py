"""A wait that the user can cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox, text_body
from sandtui.ui.rendering.text import Piece, content


class WaitDialog(Dialog[None]):
    """Escape cancels the wait; ``close`` removes the dialog when the wait is over by itself."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,ctrl+c", "cancel", "cancel", show=False)]

    def __init__(self, title: str, text: str, close: Callable[[Dialog[None]], None]) -> None:
        super().__init__()
        self._heading, self._text, self._close = title, text, close
        self._finished = False

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self._heading):
            yield text_body(content(Piece(f"{clean(self._text)}…")))
            yield Static(content(Piece("esc cancel", "dim")), id="dialog-keys")

    def action_cancel(self) -> None:
        if not self._finished:
            self.dismiss(None)

    def finish(self) -> None:
        """Close without canceling: the wait is over."""
        if not self._finished:
            self._finished = True
            if not self.is_closing:
                self._close(self)
