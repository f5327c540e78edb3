"""The keys of the screen, made from the registry; Enter runs the action of the line."""

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
    ("j k, arrows", "Move by one line."),
    ("g G, home end", "Go to the first or last line."),
    ("tab", "Go to the next field or pane."),
)


class HelpDialog(Dialog[str]):
    """Answers the id of the action that was chosen."""

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
        """The list and how to leave it."""
        with Vertical(id="dialog", classes="help") as dialog:
            dialog.border_title = Content("Keyboard shortcuts")
            yield OptionMenu(*self._options(), id="help-list", compact=True)
            yield Static(content(Piece("enter run · m manual · esc close", "dim")), id="dialog-keys")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what was chosen."""
        event.stop()
        self.dismiss(event.option.id or "")

    def action_manual(self) -> None:
        """Open the manual at the page of the screen below."""
        self.dismiss(MANUAL)

    def action_close(self) -> None:
        """Close without doing anything."""
        self.dismiss("")

    def _options(self) -> Iterable[Option]:
        for action in self._actions:
            if action.scope != GLOBAL:
                yield self._option(action)
        yield Option(content(Piece("Global", "dim")), disabled=True)
        for action in self._actions:
            if action.scope == GLOBAL:
                yield self._option(action)
        for keys, words in MOVING:
            yield Option(content(Piece(f"{keys:<{KEY_WIDTH}}", "key"), Piece(words, "dim")), disabled=True)

    def _option(self, action: Action) -> Option:
        # A key that means something of its own on this screen is not offered for what it means elsewhere.
        own = [key for key in self._keymap.of(action) if action.scope != GLOBAL or key not in self._taken]
        keys = ", ".join(map(key_label, own)) or (f":{action.command}" if action.command else "")
        # No-break spaces: Textual takes ordinary ones away at the beginning of a line.
        words = ("\n" + "\N{NO-BREAK SPACE}" * KEY_WIDTH).join(wrap(action.help, HELP_WIDTH))
        return Option(content(Piece(f"{keys:<{KEY_WIDTH}}", "key"), Piece(words)), id=action.id)
