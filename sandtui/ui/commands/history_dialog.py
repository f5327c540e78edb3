"""The dialog to search the command history, of one sandbox or of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.rendering.text import Content, Piece, content, fit, fit_middle
from sandtui.ui.rendering.units import clock_time
from sandtui.ui.widgets.option_menu import OptionMenu

WIDTH, MARGIN = 110, 6
NAME_WIDTH, TIME_WIDTH = 16, 16


Search = Callable[[str, str | None, Callable[[Sequence[PastCommand]], None]], None]
"""Searches the history of one sandbox or of all, and passes the result to a callback."""


class HistoryDialog(Dialog[str]):
    """Returns a command, or an empty text. ``sandbox_id`` is the sandbox whose history is shown first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("tab", "scope", "scope", show=False, priority=True),
        Binding("ctrl+r,down", "move(1)", "older", show=False),
        Binding("up", "move(-1)", "newer", show=False),
    ]
    AUTO_FOCUS = "#history-search"

    def __init__(self, sandbox_id: str | None, text: str, now: datetime, search: Search) -> None:
        super().__init__()
        self._look_up = search
        self._here = sandbox_id
        self._everywhere = sandbox_id is None
        self._text = text
        self._now = now
        self._found: Sequence[PastCommand] = ()

    def compose(self) -> Iterable[Widget]:
        with DialogBox("Command history", wide=True, steady=True):
            yield Input(self._text, placeholder="search history", compact=True, id="history-search")
            yield OptionMenu(id="history-list", classes=BODY, compact=True)
            yield Static(id="dialog-keys")

    def on_mount(self) -> None:
        self._search()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._search()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        index = self.query_one(OptionList).highlighted
        self.dismiss(self._found[index].command if index is not None and index < len(self._found) else "")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._found[event.option_index].command)

    def action_close(self) -> None:
        self.dismiss("")

    def action_scope(self) -> None:
        if self._here is not None:
            self._everywhere = not self._everywhere
            self._search()

    def action_move(self, step: int) -> None:
        found = self.query_one(OptionList)
        if step > 0:
            found.action_cursor_down()
        else:
            found.action_cursor_up()

    def _search(self) -> None:
        where = None if self._everywhere else self._here
        self._look_up(self.query_one(Input).value, where, self.whenever_open(self._show))

    def _show(self, found: Sequence[PastCommand]) -> None:
        self._found = found
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(self._line(past)) for past in found])
        options.highlighted = 0 if found else None
        message = "in all sandboxes" if self._everywhere else "in this sandbox"
        scope = f" · tab {'this one' if self._everywhere else 'all'}" if self._here else ""
        count = f"{len(found):,}" if found else "nothing"
        text = f"{count} {message}{scope} · enter use · esc close"
        self.query_one("#dialog-keys", Static).update(content(Piece(text, "dim")))

    def _line(self, past: PastCommand) -> Content:
        command = clean(past.command.replace("\n", " ↵ "))
        room = min(WIDTH, self.size.width * 95 // 100) - MARGIN
        return content(
            Piece(fit(command, max(10, room - NAME_WIDTH - TIME_WIDTH - 2)) + "  "),
            Piece(fit_middle(clean(past.sandbox_name), NAME_WIDTH), "dim"),
            Piece(fit(clock_time(past.moment, self._now), TIME_WIDTH, right=True), "dim"),
        )
