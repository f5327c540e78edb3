"""A short list to choose from, by arrows or by letter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content, fit
from sandtui.ui.widgets.option_menu import OptionMenu

TITLE_WIDTH = 22
ALONE_WIDTH = 60
"""Cells of a title that has no words beside it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line. ``key`` is the letter that chooses it; texts may come from outside."""

    id: str
    key: str
    title: str
    words: str = ""


class ChooseDialog(Dialog[str]):
    """Answers the id of what was chosen, or an empty text. ``extra`` maps further keys to answers."""

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
        """The list and how to use it."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(clean(self._heading))
            yield OptionMenu(*map(self._option, self.choices), id="choices", compact=True)
            yield Static(
                content(Piece(self._note or "its key or enter chooses · esc closes", "dim")), id="choices-keys"
            )

    def on_key(self, event: events.Key) -> None:
        """A letter chooses."""
        found = [choice.id for choice in self.choices if choice.key and choice.key == event.character]
        found += [answer for key, answer in self._extra if key == event.character]
        if found:
            event.stop()
            event.prevent_default()
            self.dismiss(found[0])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take it."""
        event.stop()
        self.dismiss(event.option.id or "")

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss("")

    @staticmethod
    def _option(choice: Choice) -> Option:
        width = TITLE_WIDTH if choice.words else ALONE_WIDTH
        text = content(
            Piece(f"{choice.key:<3}", "key"),
            Piece(fit(clean(choice.title), width) + "  "),
            Piece(clean(choice.words), "dim"),
        )
        return Option(text, id=choice.id)


def one_key_each(choices: Sequence[Choice], taken: Sequence[str] = ()) -> list[Choice]:
    """Return choices of which no two have the same key, nor one of those that are ``taken``.

    The first keeps its key; a later one gets another letter of its title, a digit, or none.
    """
    used = {*taken}
    kept = []
    for choice in choices:
        if choice.key in used:
            letters = [letter for letter in choice.title.lower() if letter.isascii() and letter.isalnum()]
            # Not a key that a choice further down has by itself.
            wanted = used | {other.key for other in choices}
            key = next((letter for letter in (*letters, *"123456789") if letter not in wanted), "")
            choice = replace(choice, key=key)
        if choice.key:
            used.add(choice.key)
        kept.append(choice)
    return kept


class DecideDialog(ChooseDialog):
    """A choice that comes unasked, of which some destroy: nothing that was typed before counts."""

    READ_FIRST = True
