"""The command line: runs an action by name, with completion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.actions import Action
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.text import Piece, content


class CommandDialog(Dialog[str]):
    """Returns the id of the action to run, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def __init__(self, actions: list[Action]) -> None:
        super().__init__()
        self._by_name = {action.command: action for action in actions}

    def compose(self) -> Iterable[Widget]:
        names = sorted(self._by_name)
        with DialogBox("Command", steady=True):
            yield Input(placeholder="command name", compact=True, suggester=SuggestFromList(names), id="command-name")
            yield Static(content(Piece("  ".join(names), "dim")), id="dialog-keys")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run the command; an unambiguous prefix is enough."""
        event.stop()
        name = event.value.strip().removeprefix(":")
        matches = [known for known in self._by_name if known.startswith(name)]
        chosen = name if name in self._by_name else matches[0] if len(matches) == 1 else None
        if chosen is not None:
            self.dismiss(self._by_name[chosen].id)
        elif not name:
            self.dismiss("")
        else:
            text = f'no command "{clean(name)}" on this screen; available: {"  ".join(sorted(self._by_name))}'
            self.query_one("#dialog-keys", Static).update(content(Piece(text, "bad")))

    def action_close(self) -> None:
        self.dismiss("")

    def _show(self, prefix: str) -> None:
        prefix = prefix.strip().removeprefix(":")
        matches = [self._by_name[name] for name in sorted(self._by_name) if name.startswith(prefix)]
        if prefix and matches:
            text = "   ".join(f"{action.command}: {action.help}" for action in matches[:2])
        else:
            text = "  ".join(sorted(self._by_name))
        self.query_one("#dialog-keys", Static).update(content(Piece(text, "dim")))
