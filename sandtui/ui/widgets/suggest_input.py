"""A text field with suggestions: the first one in gray behind the text, down and up for the others."""

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
"""Returns the completions of a word, best first."""


class _FirstChoice(Suggester):
    """Suggests the first choice that starts with the word."""

    def __init__(self, field: SuggestInput) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._field = field

    async def get_suggestion(self, value: str) -> str | None:
        before, word = self._field.parts(value)
        if not word:
            return None
        first = next((choice for choice in self._field.choices(word) if choice.startswith(word)), None)
        return before + first if first else None


class _Chips(Highlighter):
    """Draws each finished word as a chip, in reverse video: that works in every theme and without colors."""

    def highlight(self, text: Text) -> None:
        for word in re.finditer(r"\S+(?=\s)", text.plain):
            text.stylize("reverse", *word.span())


class SuggestInput(Input):
    """A line. With ``many`` each word is completed separately, otherwise the whole line is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "choose(1)", "next suggestion", show=False),
        Binding("up", "choose(-1)", "previous suggestion", show=False),
    ]

    def __init__(self, value: str, choices: Choices, *, many: bool = False, id: str | None = None) -> None:  # noqa: A002
        self._choices = choices
        self._many = many
        self._typed = ""
        self._offered: list[str] = []
        self._chosen = 0
        super().__init__(
            value, compact=True, id=id, suggester=_FirstChoice(self), highlighter=_Chips() if many else None
        )

    def choices(self, word: str) -> list[str]:
        """Return the completions of a word, without those already in the line."""
        taken = set(self.parts(self.value)[0].split()) if self._many else set()
        return [choice for choice in self._choices(word) if choice not in taken]

    @property
    def offered(self) -> list[str]:
        """The completions of the current word."""
        word = self.parts(self.value)[1]
        return [choice for choice in self.choices(word) if choice != word]

    def parts(self, value: str) -> tuple[str, str]:
        """Return the line before its last word, and that word."""
        if not self._many:
            return "", value
        word = value.rsplit(maxsplit=1)[-1] if value and not value[-1].isspace() else ""
        return value[: len(value) - len(word)], word

    def action_choose(self, step: int) -> None:
        """Replace the word by the next choice."""
        before, word = self.parts(self.value)
        if not self._offered or word != self._offered[self._chosen]:
            # The typed word itself is one of the choices: after the last one comes the typed word again.
            self._offered, self._chosen = [word, *(choice for choice in self.choices(word) if choice != word)], 0
        if len(self._offered) > 1:
            self._chosen = (self._chosen + step) % len(self._offered)
            self.value = before + self._offered[self._chosen]
            self.cursor_position = len(self.value)
