"""Explains why an action is not possible, in place of the dialog or form that would have opened.

It swallows what a user types ahead for that dialog, so that the keys do nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox, text_body
from sandtui.ui.rendering.text import Piece, content

READING_KEYS = frozenset({"escape", "up", "down", "pageup", "pagedown"})


class RefusalDialog(Dialog[None]):
    """Shows the reason and takes every key until it is closed. ``heading`` and ``reason`` may come from outside."""

    READ_FIRST = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def __init__(self, heading: str, reason: str) -> None:
        super().__init__()
        self.heading, self.reason = clean(heading), clean(reason)

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self.heading):
            yield text_body(content(Piece(self.reason, "busy")))
            yield Static(content(Piece("enter/esc close", "dim")), id="dialog-keys")

    def on_key(self, event: events.Key) -> None:
        if event.key in READING_KEYS:
            return
        event.stop()
        event.prevent_default()
        # No letter closes it: the rest of a name or command that is being typed would act on the screen below.
        if event.key == "enter":
            self.dismiss()

    def action_close(self) -> None:
        self.dismiss()
