"""Asks to confirm an action on sandboxes: names them; Cancel has the focus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from sandtui.fleet.inventory.bulk_plan import BulkPlan
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.plan import SHOWN, plan_list, plan_text
from sandtui.ui.rendering.text import Content, Piece, content

FRAME = 11
"""Lines around the names and the text: dialog, window, and the line that counts the sandboxes not named."""
FEWEST = 2
TEXT_WIDTH = 66


class PlanDialog(Dialog[bool]):
    """Returns whether the user confirmed; a large plan is confirmed by typing its count.

    ``more`` opens the plan that includes the sandboxes that this one spares.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "yes", show=False),
        Binding("n,escape,q", "cancel", "no", show=False),
        Binding("i", "more", "include", show=False),
    ]
    AUTO_FOCUS = "#cancel"
    READ_FIRST = True

    def __init__(self, plan: BulkPlan, context: str, now: datetime, more: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._plan = plan
        self._where = context
        self._now = now
        self._more = more

    def compose(self) -> Iterable[Widget]:
        plan = self._plan
        count = plan.count
        text = plan_text(plan, self._where)
        # Fewer names are listed if the buttons would not fit otherwise.
        room = self.app.size.height - FRAME - 2 * plan.needs_count - len(text.wrap(TEXT_WIDTH))
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(plan.title)
            with VerticalScroll(id="dialog-list", can_focus=False):
                yield Static(plan_list(plan, self._now, min(SHOWN, max(FEWEST, room))))
            yield Static(text, id="dialog-warning")
            if plan.needs_count:
                yield Input(placeholder=f"type {count} to confirm", id="count", compact=True)
            with Horizontal(id="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                variant = "error" if plan.verb.warning else "primary"
                if count:
                    yield Button(f"{plan.verb.title.split()[0]} {count}", id="confirm", variant=variant, compact=True)  # type: ignore[arg-type]
                yield Static(content(Piece(self._keys(), "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        if self._plan.needs_count:
            self.query_one("#count", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == str(self._plan.count):
            self.action_confirm()

    @on(Button.Pressed, "#confirm")
    def action_confirm(self) -> None:
        """Confirm, unless the count is still to be typed."""
        if not self._plan.count:
            return
        if self._plan.needs_count and self.query_one("#count", Input).value.strip() != str(self._plan.count):
            self.query_one("#count", Input).focus()
            return
        self.dismiss(True)

    def action_more(self) -> None:
        """Open the plan that includes what this one spares."""
        if self._more is not None:
            self.dismiss(False)
            self._more()

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(False)

    def _keys(self) -> str:
        if self._plan.needs_count:
            return "enter confirm · esc cancel"
        if not self._plan.count:
            return "enter/esc cancel"
        return "y confirm · enter/esc cancel"
