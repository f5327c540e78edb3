"""Asks what to do with a launch that was interrupted when an earlier run ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Button, Static

from sandtui.config.journal import UnfinishedLaunch
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content, lines, outside
from sandtui.ui.rendering.units import clock_time

Decision = Literal["later", "resume", "clean_up"]


class UnfinishedDialog(Dialog[Decision]):
    """Returns the decision; Later has the focus and changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "later", "later", show=False)]
    AUTO_FOCUS = "#later"
    READ_FIRST = True

    def __init__(self, unfinished: UnfinishedLaunch) -> None:
        super().__init__()
        self._unfinished = unfinished

    def compose(self) -> Iterable[Widget]:
        launch = self._unfinished
        made = sum(item.sandbox_id is not None for item in launch.items)
        which = "the sandboxes with its label" if len(launch.items) > 1 else "the sandbox"
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content("Unfinished launch")
            yield Static(
                lines(
                    [
                        content(Piece("Launch ", "dim"), outside(launch.launch_id, "bright")),
                        content(Piece("started ", "dim"), Piece(clock_time(launch.began, launch.began))),
                        content(Piece(f"{made} of {len(launch.items)} created; the rest unknown", "busy")),
                        content(""),
                        content(Piece("Resume creates the missing ones (idempotency keys prevent", "dim")),
                        content(Piece(f"duplicates). Clean up deletes {which}.", "dim")),
                        *self._why_not(),
                    ]
                )
            )
            with Horizontal(id="dialog-buttons"):
                yield Button("Later", id="later", compact=True)
                if launch.can_resume:
                    yield Button("Resume", id="resume", variant="primary", compact=True)
                yield Button("Clean up", id="clean_up", variant="error", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        decisions: dict[str | None, Decision] = {"resume": "resume", "clean_up": "clean_up"}
        self.dismiss(decisions.get(event.button.id, "later"))

    def action_later(self) -> None:
        """Close; the dialog opens again at the next start."""
        self.dismiss("later")

    def _why_not(self) -> list[Content]:
        if self._unfinished.can_resume:
            return []
        return [content(Piece("It had secrets, which are not saved: it can only be cleaned up.", "busy"))]
