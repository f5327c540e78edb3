"""Something that the user waits for and can cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content


class WaitDialog(Dialog[None]):
    """Says what is waited for. Escape cancels it; ``close`` removes the dialog when it is over by itself."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,ctrl+c", "cancel", "cancel", show=False)]

    def __init__(self, title: str, text: str, close: Callable[[Dialog[None]], None]) -> None:
        super().__init__()
        self._heading, self._text, self._close = title, text, close
        self._finished = False

    def compose(self) -> Iterable[Widget]:
        """Text and key."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(clean(self._heading))
            yield Static(content(Piece(f"{clean(self._text)} …")))
            yield Static(content(Piece("esc cancels", "dim")), id="dialog-keys")

    def action_cancel(self) -> None:
        """Wait no more."""
        if not self._finished:
            self.dismiss(None)

    def finish(self) -> None:
        """Close without cancelling: what was waited for has come, or never will."""
        if not self._finished:
            self._finished = True
            if not self.is_closing:
                self._close(self)
