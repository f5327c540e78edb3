"""The sync dialog: the plan before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.model import TransferSpec
from sandtui.fleet.transfers.sync import Difference, omitted
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.rendering.text import Piece, content
from sandtui.ui.rendering.units import size_text
from sandtui.ui.widgets.output_view import OutputView

SHOWN = 5000
"""Maximum number of shown lines of a plan."""


class SyncDialog(Dialog[str]):
    """Shows a plan; returns ``copy``, ``delete`` (copy and delete), ``watch``, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("C", "answer('copy')", "copy", show=False),
        Binding("enter", "copy_new", "copy", show=False),
        Binding("D", "answer('delete')", "copy and delete", show=False),
        Binding("t", "answer('watch')", "watch", show=False),
        Binding("escape,q", "answer('')", "close", show=False),
    ]
    AUTO_FOCUS = "#plan"

    def __init__(self, spec: TransferSpec, found: Difference, *, watched: bool | None) -> None:
        super().__init__()
        self._spec, self._found, self._watched = spec, found, watched
        lines = [("+", "good", path) for path in found.new] + [("~", "busy", path) for path in found.changed]
        lines += [("-", "bad", path) for path in found.extra]
        left = omitted("", found.left_out, found.refused, found.held)
        lines += [("!", "busy", f"{text}: skipped") for text in left]
        self._lines = lines

    def compose(self) -> Iterable[Widget]:
        found = self._found
        counts = [
            Piece(f"+ {len(found.new):,} new  ", "good"),
            Piece(f"~ {len(found.changed):,} changed  ", "busy"),
            Piece(f"- {len(found.extra):,} only in target  ", "bad"),
            Piece(f"{found.same:,} identical  {size_text(found.size)}", "dim"),
        ]
        keys = "enter/C copy" if self._only_adds else "C copy"
        if found.extra:
            keys += " · D copy and delete extra"
        if self._watched is not None:
            keys += " · t stop watching" if self._watched else " · t watch for changes"
        keys += " · esc close"
        with DialogBox(f"Sync {self._spec.source.label} to {self._spec.target.label}", classes="sync", wide=True):
            yield Static(content(*counts))
            yield OutputView(self._line, follows=False, id="plan")
            if self._spec.ignore:
                yield Static(content(Piece(f"{len(self._spec.ignore)} .gitignore patterns", "dim")))
            yield Static(content(Piece(keys, "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        plan = self.query_one("#plan", OutputView)
        plan.add_class(BODY)
        plan.show(max(1, min(SHOWN, len(self._lines))))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies to this plan."""
        if parameters == ("watch",):
            return self._watched is not None
        return bool(self._found.extra) if parameters == ("delete",) else True

    def action_copy_new(self) -> None:
        """Copy if nothing is replaced."""
        if self._only_adds:
            self.dismiss("copy")

    @property
    def _only_adds(self) -> bool:
        return bool(self._found.new) and not (self._found.changed or self._found.replaced)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)

    def _line(self, number: int) -> list[Piece]:
        if not self._lines:
            return [Piece(" identical", "good")] if number == 0 else []
        if number >= len(self._lines):
            return []
        sign, role, path = self._lines[number]
        return [Piece(f" {sign} ", role), Piece(clean(path))]  # type: ignore[arg-type]
