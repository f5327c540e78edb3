"""Asks what to do with a launch that was interrupted when an earlier run ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Button, Static

from sandtui.config.journal import UnfinishedLaunch
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DEFAULT, DialogBox, text_body
from sandtui.ui.rendering.text import Content, Piece, content, lines, outside
from sandtui.ui.rendering.units import clock_time

Decision = Literal["later", "resume", "clean_up"]

MOST_NAMES = 4


class UnfinishedDialog(Dialog[Decision]):
    """Returns the decision; Later has the focus and changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "later", "later", show=False),
        Binding("U", "resume", "resume", show=False),
        Binding("D", "clean_up", "clean up", show=False),
    ]
    AUTO_FOCUS = f".{DEFAULT}"
    READ_FIRST = True

    def __init__(self, unfinished: UnfinishedLaunch) -> None:
        super().__init__()
        self._unfinished = unfinished

    def compose(self) -> Iterable[Widget]:
        launch = self._unfinished
        keys = "U resume · " if launch.can_resume else ""
        with DialogBox("Unfinished launch"):
            yield text_body(lines([*self._what(), content(""), *self._choices()]))
            with Horizontal(id="dialog-buttons"):
                yield Button("Later", id="later", compact=True, classes=DEFAULT)
                if launch.can_resume:
                    yield Button("Resume", id="resume", variant="primary", compact=True)
                yield Button("Clean up", id="clean_up", variant="error", compact=True)
                yield Static(content(Piece(f"{keys}D clean up · enter/esc later", "dim")), id="dialog-keys")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        decisions: dict[str | None, Decision] = {"resume": "resume", "clean_up": "clean_up"}
        self.dismiss(decisions.get(event.button.id, "later"))

    def action_later(self) -> None:
        """Close; the dialog opens again at the next start."""
        self.dismiss("later")

    def action_resume(self) -> None:
        if self._unfinished.can_resume:
            self.dismiss("resume")

    def action_clean_up(self) -> None:
        self.dismiss("clean_up")

    def _what(self) -> list[Content]:
        launch = self._unfinished
        made = sum(item.sandbox_id is not None for item in launch.items)
        names = [item.request.name for item in launch.items]
        shown = names if len(names) <= MOST_NAMES else [*names[: MOST_NAMES - 1], "…", names[-1]]
        first = launch.items[0].request if launch.items else None
        rows = [
            content(Piece("Launch   ", "dim"), outside(launch.launch_id, "bright")),
            content(Piece("Context  ", "dim"), outside(launch.context)),
            content(Piece("Started  ", "dim"), Piece(clock_time(launch.began, launch.began))),
            content(Piece("Names    ", "dim"), outside("  ".join(shown))),
        ]
        if first is not None:
            files = f"checkpoint {first.checkpoint_id}" if first.checkpoint_id else first.docker_image
            size = f"{first.cpu_cores:g} cpu · {first.memory_gb:g} GB · {clean(files)}"
            rows.append(content(Piece("Each     ", "dim"), Piece(size)))
        state = f"{made:,} of {len(launch.items):,} created; the rest unknown"
        return [*rows, content(Piece("State    ", "dim"), Piece(state, "busy"))]

    def _choices(self) -> list[Content]:
        which = "the sandboxes with its label" if len(self._unfinished.items) > 1 else "the sandbox"
        if not self._unfinished.can_resume:
            text = "It had secrets, which are not saved: it can't be resumed."
            return [content(Piece(text, "busy")), content(Piece(f"Clean up deletes {which}.", "dim"))]
        return [
            content(Piece("Resume creates the missing ones, none of them twice.", "dim")),
            content(Piece(f"Clean up deletes {which}.", "dim")),
        ]
