"""Keyboard shortcuts of the screen, generated from the registry of actions."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from sandtui.fleet.actions import GLOBAL, Action
from sandtui.fleet.keymap import Keymap, key_label
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.widgets.option_menu import OptionMenu

MANUAL = "app.manual"
KEY_WIDTH, HELP_WIDTH = 16, 51
MOVING = (
    ("j k, arrows", "Move by one line"),
    ("g G, home end", "Go to the first or last line"),
    ("tab", "Next field or pane"),
)


class HelpDialog(Dialog[str]):
    """Returns the id of the action to run, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "close", "close", show=False),
        Binding("m", "manual", "manual", show=False),
    ]

    def __init__(self, actions: list[Action], keymap: Keymap) -> None:
        super().__init__()
        self._actions = actions
        self._keymap = keymap
        self._taken = {key for action in actions if action.scope != GLOBAL for key in keymap.of(action)}

    def compose(self) -> Iterable[Widget]:
        with Vertical(id="dialog", classes="help") as dialog:
            dialog.border_title = Content("Keyboard shortcuts")
            yield OptionMenu(*self._options(), id="help-list", compact=True)
            yield Static(content(Piece("enter run · m manual · esc close", "dim")), id="dialog-keys")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option.id or "")

    def action_manual(self) -> None:
        self.dismiss(MANUAL)

    def action_close(self) -> None:
        self.dismiss("")

    def _options(self) -> Iterable[Option]:
        for action in self._actions:
            if action.scope != GLOBAL:
                yield self._option(action)
        yield Option(content(Piece("Global", "dim")), disabled=True)
        for action in self._actions:
            if action.scope == GLOBAL:
                yield self._option(action)
        for keys, text in MOVING:
            yield Option(content(Piece(f"{keys:<{KEY_WIDTH}}", "key"), Piece(text, "dim")), disabled=True)

    def _option(self, action: Action) -> Option:
        # A global key that the screen uses for something else is left out.
        own = [key for key in self._keymap.of(action) if action.scope != GLOBAL or key not in self._taken]
        keys = ", ".join(map(key_label, own)) or (f":{action.command}" if action.command else "")
        # No-break spaces, because Textual strips ordinary ones at the start of a line.
        text = ("\n" + "\N{NO-BREAK SPACE}" * KEY_WIDTH).join(wrap(action.help, HELP_WIDTH))
        return Option(content(Piece(f"{keys:<{KEY_WIDTH}}", "key"), Piece(text)), id=action.id)
