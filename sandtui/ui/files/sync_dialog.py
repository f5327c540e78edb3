"""The plan of making one directory equal to another, before any of it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.equal import Difference, omitted
from sandtui.fleet.transfers.model import Spec
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.rendering.units import size_text
from sandtui.ui.widgets.output_view import OutputView

SHOWN = 5000
"""Lines of a plan that are shown; all of it is carried out."""


class SyncDialog(Dialog[str]):
    """Shows a plan; answers ``copy``, ``delete`` as well, ``watch``, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "answer('copy')", "copy", show=False),
        Binding("D", "answer('delete')", "copy and delete", show=False),
        Binding("w", "answer('watch')", "watch", show=False),
        Binding("escape,q", "answer('')", "close", show=False),
    ]
    AUTO_FOCUS = "#plan"

    def __init__(self, spec: Spec, found: Difference, *, watched: bool | None) -> None:
        super().__init__()
        self._spec, self._found, self._watched = spec, found, watched
        lines = [("+", "good", path) for path in found.new] + [("~", "busy", path) for path in found.changed]
        lines += [("-", "bad", path) for path in found.extra]
        left = omitted("", found.left_out, found.refused, found.held)
        lines += [("!", "busy", f"{text}: left out") for text in left]
        self._lines = lines

    def compose(self) -> Iterable[Widget]:
        found = self._found
        counts = [
            Piece(f"+ {len(found.new):,} new   ", "good"),
            Piece(f"~ {len(found.changed):,} changed   ", "busy"),
            Piece(f"- {len(found.extra):,} only there   ", "bad"),
            Piece(f"{found.same:,} equal   {size_text(found.size)} to copy", "dim"),
        ]
        keys = "c copies · D copies and deletes what is only there · esc closes"
        if self._watched is not None:
            keys += " · w ends the watch" if self._watched else " · w copies changes as they are saved"
        with Vertical(id="dialog", classes="sync") as dialog:
            title = f"Make {self._spec.target.label} equal to {self._spec.source.label}"
            dialog.border_title = Content(clean(title))
            yield Static(content(*counts))
            yield OutputView(self._line, follows=False, id="plan")
            ignored = f"{len(self._spec.ignore)} patterns of .gitignore are left alone   " if self._spec.ignore else ""
            yield Static(content(Piece(ignored + keys, "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        self.query_one("#plan", OutputView).show(max(1, min(SHOWN, len(self._lines))))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done."""
        if parameters == ("watch",):
            return self._watched is not None
        return bool(self._found.extra) if parameters == ("delete",) else True

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)

    def _line(self, number: int) -> list[Piece]:
        if not self._lines:
            return [Piece(" they are equal", "good")] if number == 0 else []
        if number >= len(self._lines):
            return []
        sign, role, path = self._lines[number]
        return [Piece(f" {sign} ", role), Piece(clean(path))]  # type: ignore[arg-type]
