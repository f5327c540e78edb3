"""Progress and results of a bulk action."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from sandtui.clock import Clock
from sandtui.fleet.inventory.bulk import BulkItem, BulkRun, BulkState
from sandtui.fleet.keymap import Keymap
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.key_bindings import bindings, key_of
from sandtui.ui.rendering.plan import item_pieces, name_width, progress_text
from sandtui.ui.rendering.text import Piece, content
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.row_actions import ActsOnSandboxes, RowActions
from sandtui.ui.widgets.text_panel import TextPanel

PAINT_SECONDS = 0.1
ROW_KEYS = {"open_sandbox": "open", "shell": "shell", "logs": "logs", "files": "files"}
_FIRST = {BulkState.FAILED: 0, BulkState.CANCELLED: 1, BulkState.RUNNING: 2, BulkState.WAITING: 3, BulkState.DONE: 4}


class BulkDialog(Dialog[str]):
    """Shows a bulk run, which continues when the dialog is closed. Returns ``retry``, ``mark`` or an empty text."""

    SCOPE: ClassVar[str] = "bulk"
    BINDINGS: ClassVar[list[BindingType]] = bindings("bulk")
    AUTO_FOCUS = "OutputView"

    def __init__(self, run: BulkRun, clock: Clock, keymap: Keymap, sandboxes: ActsOnSandboxes) -> None:
        """``sandboxes`` acts on the one under the cursor."""
        super().__init__()
        self.run = run
        self._clock, self._keymap = clock, keymap
        self._items: list[BulkItem] = list(run.items)
        self._names = name_width(run.items)
        self._painting: Timer | None = None
        self.row_actions = RowActions(sandboxes, self._named, "Select a sandbox first")
        self.row_actions.attach(self)

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self.run.title, steady=True):
            yield TextPanel(id="bulk-progress")
            yield OutputView(lambda line: item_pieces(self._items[line], self._names), follows=False, id="bulk-list")
            yield Static(id="dialog-keys")

    def on_mount(self) -> None:
        self.query_one("#bulk-list").add_class(BODY)
        self.listen(self.run.on_change, self._changed)
        self._draw()

    def why_not(self, action: str) -> str:
        """Return why a key has nothing to act on, or an empty text."""
        if action == "cancel" and self.run.is_over:
            return "Already finished"
        if action in {"retry", "mark"} and not self.run.is_over:
            return f"Still running: wait for it, or press {key_of('bulk.cancel', self._keymap)} to cancel the rest"
        if action in {"retry", "mark"} and not self.run.failed_ids:
            return "None failed"
        return self.row_actions.why_not(action)

    def action_cancel(self) -> None:
        self.run.cancel()

    def action_retry(self) -> None:
        self.dismiss("retry")

    def action_mark(self) -> None:
        self.dismiss("mark")

    def action_close(self) -> None:
        self.dismiss("")

    def _named(self) -> Sequence[str]:
        """Return the sandbox under the cursor."""
        cursor = self.query_one(OutputView).cursor
        return [self._items[cursor].id] if cursor < len(self._items) else []

    def _changed(self) -> None:
        if self._painting is None:
            self._painting = self.set_timer(PAINT_SECONDS, self._draw)

    def on_output_view_cursor_moved(self, _: OutputView.CursorMoved) -> None:
        self._show_keys()

    def _draw(self) -> None:
        self._painting = None
        run = self.run
        self._items = sorted(run.items, key=lambda item: _FIRST[item.state])
        self.query_one("#bulk-progress", TextPanel).show(progress_text(run, self._clock.monotonic()))
        self.query_one(OutputView).show(len(self._items))
        self._show_keys()

    def _show_keys(self) -> None:
        self.query_one("#dialog-keys", Static).update(content(*self._keys()))

    def _keys(self) -> list[Piece]:
        if not self.run.is_over:
            offered = [("cancel", "cancel the rest"), ("close", "close (continues in the background)")]
        elif self.run.failed_ids:
            row = self._row_keys("open_sandbox", "logs")
            offered = [("retry", "retry failed"), ("mark", "mark failed"), *row, ("close", "close")]
        else:
            offered = [*self._row_keys(*ROW_KEYS), ("close", "close")]
        pieces: list[Piece] = []
        for name, text in offered:
            pieces += [Piece(key_of(f"bulk.{name}", self._keymap), "key"), Piece(f" {text}   ", "dim")]
        return [*pieces[:-1], Piece(pieces[-1].text.rstrip(), "dim")]

    def _row_keys(self, *names: str) -> list[tuple[str, str]]:
        """Return what can be done with the sandbox under the cursor."""
        return [
            (name, ROW_KEYS[name]) for name in names if not self.why_not(name) and not self.row_actions.refuses(name)
        ]
