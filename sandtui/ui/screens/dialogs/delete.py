"""The question before a deletion: it names what will go, and Cancel has the focus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from sandtui.fleet.row import Row
from sandtui.fleet.sanitize import clean
from sandtui.ui.render.status import status_pieces
from sandtui.ui.render.text import Content, Piece, content, fit, lines
from sandtui.ui.render.units import age

TYPE_THE_COUNT_ABOVE = 10
DEAF_SECONDS = 0.15
"""Keys that were typed ahead must not confirm (tui.md 2, item 1)."""

SHOWN = 8


class DeleteDialog(ModalScreen[bool]):
    """Answers True only to ``y``, to the button, or to the typed count of a large deletion."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "yes", show=False),
        Binding("n,escape,q", "cancel", "no", show=False),
    ]
    AUTO_FOCUS = "#cancel"

    def __init__(self, rows: list[Row], context: str, now: datetime) -> None:
        super().__init__()
        self._rows = rows
        self._where = context
        self._now = now
        self._deaf = True

    @property
    def _needs_count(self) -> bool:
        return len(self._rows) > TYPE_THE_COUNT_ABOVE

    def compose(self) -> Iterable[Widget]:
        """List, warning, buttons."""
        count = len(self._rows)
        what = "1 sandbox" if count == 1 else f"{count} sandboxes"
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(f"Delete {what}")
            with VerticalScroll(id="dialog-list", can_focus=False):
                yield Static(self._list())
            yield Static(self._warning(), id="dialog-warning")
            if self._needs_count:
                yield Input(placeholder=f"type {count} to confirm", id="count", compact=True)
            with Horizontal(id="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(f"Delete {count}", id="confirm", variant="error", compact=True)
                yield Static(content(Piece(self._keys(), "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        """Listen after a moment."""
        self.set_timer(DEAF_SECONDS, self._listen)
        if self._needs_count:
            self.query_one("#count", Input).focus()

    def on_key(self, event: events.Key) -> None:
        """Keys typed before the dialog could be read count for nothing."""
        if self._deaf:
            event.stop()
            event.prevent_default()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take the button's answer."""
        event.stop()
        if event.button.id == "confirm":
            self.action_confirm()
        else:
            self.action_cancel()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field confirms, when the count is right."""
        event.stop()
        if event.value.strip() == str(len(self._rows)):
            self.action_confirm()

    def action_confirm(self) -> None:
        """Delete, unless the count is still needed."""
        if self._deaf:
            return
        if self._needs_count and self.query_one("#count", Input).value.strip() != str(len(self._rows)):
            self.query_one("#count", Input).focus()
            return
        self.dismiss(True)

    def action_cancel(self) -> None:
        """Delete nothing."""
        self.dismiss(False)

    def _listen(self) -> None:
        self._deaf = False

    def _keys(self) -> str:
        return "esc = Cancel" if self._needs_count else "y deletes · enter = Cancel"

    def _list(self) -> Content:
        rows = [
            content(
                Piece(fit(clean(row.sandbox.name), 26), "bright"),
                Piece("  "),
                *status_pieces(row.status),
                Piece("   "),
                age(row.sandbox.created_at, self._now),
            )
            for row in self._rows[:SHOWN]
        ]
        more = len(self._rows) - SHOWN
        if more > 0:
            rows.append(content(Piece(f"and {more:,} more", "dim")))
        return lines(rows)

    def _warning(self) -> Content:
        running = sum(row.status == "RUNNING" for row in self._rows)
        words = "All their processes end and their files are gone. This can't be undone."
        if len(self._rows) == 1:
            words = "Its processes end and its files are gone. This can't be undone."
        first = content(Piece(words, "busy"))
        second = content(Piece(f"{running} running · context: {clean(self._where)}", "dim"))
        return lines([first, second])
