"""Asks to confirm an action on sandboxes: names them. Enter confirms what destroys nothing, and cancels all else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from sandtui.fleet.inventory.bulk_plan import BulkPlan
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DEFAULT, DialogBox, confirm_buttons, confirm_keys
from sandtui.ui.rendering.plan import plan_list, plan_text
from sandtui.ui.rendering.text import Piece, content

MOST_NAMED = 500
"""Sandboxes that are listed; the others are counted."""


class PlanDialog(Dialog[bool]):
    """Returns whether the user confirmed; a large plan is confirmed by typing its count.

    ``more`` opens the plan that includes the sandboxes that this one spares.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "yes", show=False),
        Binding("n,escape,q", "cancel", "no", show=False),
        Binding("a", "more", "include", show=False),
    ]
    AUTO_FOCUS = f".{DEFAULT}"
    READ_FIRST = True

    def __init__(self, plan: BulkPlan, context: str, now: datetime, more: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.plan = plan
        self._where = context
        self._now = now
        self._more = more

    def compose(self) -> Iterable[Widget]:
        plan = self.plan
        with DialogBox(plan.title):
            yield VerticalScroll(
                Static(plan_list(plan, self._now, MOST_NAMED)), id="dialog-list", classes=BODY, can_focus=False
            )
            yield Static(plan_text(plan, self._where), id="dialog-warning")
            if plan.needs_count:
                yield Input(placeholder=f"type {plan.count} to confirm", id="count", compact=True)
            if plan.count:
                yes = f"{plan.verb.title.split()[0]} {plan.count:,}"
                yield confirm_buttons(yes, self._keys(), danger=plan.verb.destroys)
            else:
                yield Static(content(Piece("a include · enter/esc close", "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        if self.plan.needs_count:
            self.query_one("#count", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == str(self.plan.count):
            self.action_confirm()

    @on(Button.Pressed, "#confirm")
    def action_confirm(self) -> None:
        """Confirm, unless the count is still to be typed."""
        if not self.plan.count:
            return
        if self.plan.needs_count and self.query_one("#count", Input).value.strip() != str(self.plan.count):
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
        if self.plan.needs_count:
            return "enter confirm · esc cancel"
        return confirm_keys(danger=self.plan.verb.destroys)
