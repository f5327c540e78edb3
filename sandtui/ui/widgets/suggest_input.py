"""A text field that offers what was used before: the rest in grey, down and up for the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

Choices = Callable[[str], Sequence[str]]
"""From the word that is typed to what it could become, the best first."""


class _FirstChoice(Suggester):
    """Offers the first choice that begins with the word."""

    def __init__(self, field: SuggestInput) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._field = field

    async def get_suggestion(self, value: str) -> str | None:
        """Return the line with its last word completed, or None."""
        before, word = self._field.parts(value)
        if not word:
            return None
        first = next((choice for choice in self._field.choices(word) if choice.startswith(word)), None)
        return before + first if first else None


class _Chips(Highlighter):
    """Draws each word that is finished as a chip; reversed colours hold in every theme and without colours."""

    def highlight(self, text: Text) -> None:
        """Reverse the words that a blank follows."""
        for word in re.finditer(r"\S+(?=\s)", text.plain):
            text.stylize("reverse", *word.span())


class SuggestInput(Input):
    """One line. With ``many`` it holds several words and each is completed; otherwise the whole line is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "choose(1)", "next suggestion", show=False),
        Binding("up", "choose(-1)", "suggestion before", show=False),
    ]

    def __init__(self, value: str, choices: Choices, *, many: bool = False, id: str | None = None) -> None:  # noqa: A002
        self._choices = choices
        self._many = many
        self._typed = ""
        self._offered: list[str] = []
        self._place = 0
        super().__init__(
            value, compact=True, id=id, suggester=_FirstChoice(self), highlighter=_Chips() if many else None
        )

    def choices(self, word: str) -> list[str]:
        """Return what the word could become; words that stand in the line already are left out."""
        taken = set(self.parts(self.value)[0].split()) if self._many else set()
        return [choice for choice in self._choices(word) if choice not in taken]

    @property
    def offered(self) -> list[str]:
        """What the word that is being typed could become."""
        word = self.parts(self.value)[1]
        return [choice for choice in self.choices(word) if choice != word]

    def parts(self, value: str) -> tuple[str, str]:
        """Return the line before its last word, and that word."""
        if not self._many:
            return "", value
        word = value.rsplit(maxsplit=1)[-1] if value and not value[-1].isspace() else ""
        return value[: len(value) - len(word)], word

    def action_choose(self, step: int) -> None:
        """Put the next choice in the place of the word."""
        before, word = self.parts(self.value)
        if not self._offered or word != self._offered[self._place]:
            # The word as it was typed is one of the choices: going on after the last leads back to it.
            self._offered, self._place = [word, *(choice for choice in self.choices(word) if choice != word)], 0
        if len(self._offered) > 1:
            self._place = (self._place + step) % len(self._offered)
            self.value = before + self._offered[self._place]
            self.cursor_position = len(self.value)
