"""The offer about a launch that an earlier run did not see to its end."""

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

Answer = Literal["later", "go_on", "clean_up"]


class UnfinishedDialog(Dialog[Answer]):
    """Answers what is to be done; Later has the focus and changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "later", "later", show=False)]
    AUTO_FOCUS = "#later"
    READ_FIRST = True

    def __init__(self, unfinished: UnfinishedLaunch) -> None:
        super().__init__()
        self._unfinished = unfinished

    def compose(self) -> Iterable[Widget]:
        """What is known, and the three answers."""
        launch = self._unfinished
        made = sum(item.sandbox_id is not None for item in launch.items)
        what = "all that carry its label" if len(launch.items) > 1 else "what answers to that key"
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content("A launch was not finished")
            yield Static(
                lines(
                    [
                        content(Piece("Launch ", "dim"), outside(launch.launch_id, "bright")),
                        content(Piece("begun ", "dim"), Piece(clock_time(launch.began, launch.began))),
                        content(Piece(f"{made} of {len(launch.items)} are known to be made; others may be.", "busy")),
                        content(""),
                        content(Piece("Go on makes the missing ones: a key in each request keeps it from", "dim")),
                        content(Piece(f"being made twice. Clean up deletes {what}.", "dim")),
                        *self._why_not(),
                    ]
                )
            )
            with Horizontal(id="dialog-buttons"):
                yield Button("Later", id="later", compact=True)
                if launch.can_resume:
                    yield Button("Go on", id="go_on", variant="primary", compact=True)
                yield Button("Clean up", id="clean_up", variant="error", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take the answer."""
        event.stop()
        answers: dict[str | None, Answer] = {"go_on": "go_on", "clean_up": "clean_up"}
        self.dismiss(answers.get(event.button.id, "later"))

    def action_later(self) -> None:
        """Do nothing now; the offer comes again at the next start."""
        self.dismiss("later")

    def _why_not(self) -> list[Content]:
        if self._unfinished.can_resume:
            return []
        return [content(Piece("It had secrets, which were not kept: it can only be cleaned up.", "busy"))]
