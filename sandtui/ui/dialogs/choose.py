"""A menu: the user selects an entry with arrow keys and Enter, or by its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.rendering.text import Piece, content, fit, width_of
from sandtui.ui.widgets.option_menu import OptionMenu

TITLE_WIDTH = 22
"""Cells of a title at most, with a text beside it."""
ALONE_WIDTH = 60
"""Cells of a title at most, without one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry. ``key`` is the character that selects it; title and text may come from outside."""

    id: str
    key: str
    title: str
    text: str = ""


class ChooseDialog(Dialog[str]):
    """Returns the id of the choice, or an empty text. ``extra`` maps further keys to results."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
    ]

    def __init__(
        self, title: str, choices: Sequence[Choice], note: str = "", extra: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__()
        self._heading, self._note, self._extra = title, note, extra
        self.choices = one_key_each(choices, [key for key, _ in extra])

    def compose(self) -> Iterable[Widget]:
        with DialogBox(self._heading):
            width = min(
                TITLE_WIDTH, max((width_of(clean(each.title)) for each in self.choices if each.text), default=0)
            )
            options = (self._option(each, width) for each in self.choices)
            yield OptionMenu(*options, id="choices", classes=BODY, compact=True)
            yield Static(content(Piece(self._note or "enter select · esc close", "dim")), id="choices-keys")

    def on_key(self, event: events.Key) -> None:
        found = [choice.id for choice in self.choices if choice.key and choice.key == event.character]
        found += [result for key, result in self._extra if key == event.character]
        if found:
            event.stop()
            event.prevent_default()
            self.dismiss(found[0])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option.id or "")

    def action_close(self) -> None:
        self.dismiss("")

    @staticmethod
    def _option(choice: Choice, width: int) -> Option:
        title = clean(choice.title)
        beside = fit(title, width) + "  " if choice.text else fit(title, min(ALONE_WIDTH, width_of(title)))
        line = content(Piece(f"{choice.key:<3}", "key"), Piece(beside), Piece(clean(choice.text), "dim"))
        return Option(line, id=choice.id)


def one_key_each(choices: Sequence[Choice], taken: Sequence[str] = ()) -> list[Choice]:
    """Return the choices with distinct keys, none of which is ``taken``.

    Of two with the same key the first keeps it; the other gets another letter of its title, a digit, or none.
    """
    used = {*taken}
    distinct = []
    for choice in choices:
        if choice.key in used:
            letters = [letter for letter in choice.title.lower() if letter.isascii() and letter.isalnum()]
            # Leave alone the keys of the choices below.
            wanted = used | {other.key for other in choices}
            key = next((letter for letter in (*letters, *"123456789") if letter not in wanted), "")
            choice = replace(choice, key=key)
        if choice.key:
            used.add(choice.key)
        distinct.append(choice)
    return distinct


class DecideDialog(ChooseDialog):
    """A menu that opens by itself and offers destructive choices: keys typed before it opened do not count."""

    READ_FIRST = True
