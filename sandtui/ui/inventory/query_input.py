"""The filter field: completes names and labels, and underlines errors."""

from __future__ import annotations

from collections.abc import Callable

from rich.highlighter import Highlighter
from rich.text import Text
from textual.suggester import Suggester
from textual.widgets import Input

Completer = Callable[[str], str | None]


class _MistakeHighlighter(Highlighter):
    """Underlines the error."""

    def __init__(self) -> None:
        self.span: tuple[int, int] | None = None

    def highlight(self, text: Text) -> None:
        # The terminal's own red is readable on both themes.
        if self.span is not None:
            start, end = self.span
            text.stylize("underline bold red", start, end)


class _QuerySuggester(Suggester):
    """Completes the line after each key; nothing is cached, because the sandboxes change."""

    def __init__(self, completer: Completer) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._completer = completer

    async def get_suggestion(self, value: str) -> str | None:
        return self._completer(value)


class QueryInput(Input):
    """A filter expression. ``completer`` returns the completed line, or None."""

    def __init__(self, completer: Completer, placeholder: str, *, id: str | None = None) -> None:  # noqa: A002
        self._mistakes = _MistakeHighlighter()
        super().__init__(
            placeholder=placeholder,
            compact=True,
            id=id,
            suggester=_QuerySuggester(completer),
            highlighter=self._mistakes,
        )

    def show_mistake(self, column: int | None, length: int = 1) -> None:
        """Underline ``length`` characters from a column on; None clears the underline."""
        span = None if column is None else (column, column + length)
        if span != self._mistakes.span:
            self._mistakes.span = span
            self.refresh()
