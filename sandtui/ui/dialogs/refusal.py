"""Why something can't be done, in the place of the question or the form that did not open.

Whoever types ahead types an answer: it ends here and does nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content


class RefusalDialog(Dialog[None]):
    """Says why not, and takes every key until it is closed. ``heading`` and ``reason`` may come from outside."""

    READ_FIRST = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def __init__(self, heading: str, reason: str) -> None:
        super().__init__()
        self.heading, self.reason = clean(heading), clean(reason)

    def compose(self) -> Iterable[Widget]:
        """The reason and how to go on."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self.heading)
            yield Static(content(Piece(self.reason, "busy")))
            yield Static(content(Piece("enter or esc close", "dim")), id="dialog-keys")

    def on_key(self, event: events.Key) -> None:
        """Take every key."""
        if event.key == "escape":
            return
        event.stop()
        event.prevent_default()
        # No letter closes it: what is typed may be a name or a command, of which the rest would go astray.
        if event.key == "enter":
            self.dismiss()

    def action_close(self) -> None:
        """Close."""
        self.dismiss()
