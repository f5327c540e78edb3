"""Asks how many forks of some sandboxes to create, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.client import Sandbox
from sandtui.fleet.checkpoints.forks import NOT_TAKEN, OF_SOURCE, ForkPlan, default_name, plan_forks
from sandtui.fleet.creation.form import BY_ID, COUNT
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.text import Content, Piece, content, lines
from sandtui.ui.rendering.units import number

KEYS = "tab next field · enter fork · esc cancel"
NAMES_SHOWN = 3

MANY, TYPING_SECONDS = 50, 0.15
"""With so many forks they are shown after a pause in typing: to plan hundreds takes longer than a key may."""


class ForkDialog(Dialog[ForkPlan]):
    """Returns the plan of the forks, or None. What would be created is shown while typing.

    With ``checkpoint_id`` they are made from a checkpoint that exists.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]
    AUTO_FOCUS = "#fork-count"

    def __init__(self, sources: Sequence[Sandbox], launch_id: str, checkpoint_id: str = NOT_TAKEN) -> None:
        super().__init__()
        self.sources, self.checkpoint_id = sources, checkpoint_id
        self._launch_id = launch_id
        self._drawing: Timer | None = None
        self._shown = 0

    def compose(self) -> Iterable[Widget]:
        one = self.sources[0] if len(self.sources) == 1 else None
        title = f"Fork {one.name or one.id}" if one is not None else f"Fork {len(self.sources):,} sandboxes"
        names = "{i} or {i:03} is the number" + ("" if one is not None else f", {OF_SOURCE} the sandbox")
        with DialogBox(title, classes="command form", steady=True):
            yield Static(content(Piece(f"Count{' for each' if one is None else ''} ({COUNT})", "dim")))
            yield Input("1", compact=True, id="fork-count")
            yield Static(content(Piece(f"Name ({names})", "dim")))
            yield Input(default_name(self.sources), compact=True, id="fork-name")
            yield Static(id="fork-plan")
            yield Static(content(Piece(KEYS, "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        self._draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._drawing is not None:
            self._drawing.stop()
        if self._shown > MANY:
            self._drawing = self.set_timer(TYPING_SECONDS, self._draw)
        else:
            self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        forks = self._forks()
        if not forks.problems:
            self.dismiss(forks)
        else:
            self._draw()
            wrong = "#fork-name" if "name" in forks.problems else "#fork-count"
            self.query_one(wrong, Input).focus()

    def action_close(self) -> None:
        self.dismiss(None)

    def _forks(self) -> ForkPlan:
        count, name = (self.query_one(field, Input).value.strip() for field in ("#fork-count", "#fork-name"))
        return plan_forks(self.sources, count, name, self._launch_id, self.checkpoint_id)

    def _draw(self) -> None:
        forks = self._forks()
        self._drawing, self._shown = None, len(forks.plan.requests)
        self.query_one("#fork-plan", Static).update(_described(forks, len(self.sources), self.checkpoint_id))


def _described(forks: ForkPlan, sources: int, checkpoint_id: str) -> Content:
    """Return what would be created, or what is wrong."""
    if forks.problems:
        field, problem = next(iter(forks.problems.items()))
        label = BY_ID[field].label if field in BY_ID else clean(field)
        return lines([content(Piece(f"✖ {label}: {clean(problem)}", "bad")), content(""), content(""), content("")])
    plan = forks.plan
    names = [clean(request.name) for request in plan.requests]
    shown = names if len(names) <= NAMES_SHOWN else [*names[: NAMES_SHOWN - 1], "…", names[-1]]
    checkpoints = "1 checkpoint" if sources == 1 else f"{sources:,} checkpoints"
    many = "1 sandbox" if len(names) == 1 else f"{len(names):,} sandboxes"
    what = f"{checkpoints}, then {many}" if checkpoint_id == NOT_TAKEN else f"{many} from {clean(checkpoint_id)}"
    size = f"{number(plan.cores)} cpu · {number(plan.memory_gb)} GB"
    return lines(
        [
            content(Piece(what, "bright"), Piece(f"   {size}", "dim")),
            content(Piece("  ".join(shown))),
            content(Piece("Like the source, but without its processes, variables and secrets", "dim")),
            content(""),
        ]
    )
