"""Search with next and previous match, for every screen that shows lines of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.widget import Widget

from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.search import Lines, Search, split
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services


@dataclass(frozen=True, slots=True)
class Searched:
    """What a screen shows now: its lines, the one under the cursor, and whether it follows the end.

    ``go_to`` shows the line of a match; ``redraw`` draws what was searched for anew.
    """

    lines: Lines
    cursor: int
    follows: bool
    go_to: Callable[[int], None]
    redraw: Callable[[], None]


class SearchControl:
    """Asks for a text and goes to its matches. ``owner`` shows the lines; ``scope`` is the one of its keys.

    The first match is the nearest one below the cursor, or above it in a view that follows its end, where what is
    newest is looked at.
    """

    def __init__(
        self,
        owner: Widget,
        services: Services,
        scope: str,
        title: str,
        target: Callable[[], Searched],
        search: Search | None = None,
    ) -> None:
        self._owner, self._services, self._scope, self._title = owner, services, scope, title
        self._target = target
        self.search = search if search is not None else Search()

    @property
    def needle(self) -> str:
        """What is searched for; empty before the first search."""
        return self.search.needle

    def ask(self) -> None:
        """Ask what to search for, and go to the first match."""

        def answered(needle: str | None) -> None:
            if needle:
                # Meanwhile more may have come.
                target = self._target()
                step = -1 if target.follows else 1
                self._show(target, self.search.begin(needle, target.lines, target.cursor, step))

        self._owner.app.push_screen(ValueDialog(self._title, "a text", "error", _any, self.needle), answered)

    def go(self, step: int) -> None:
        """Go to the next (1) or the previous (-1) match."""
        target = self._target()
        if self.needle:
            self._show(target, self.search.go(target.lines, target.cursor, step))
        else:
            self._services.notifier.notify(f"Press {self._services.key_of(f'{self._scope}.search')} to search")

    def marked(self, pieces: list[Piece]) -> list[Piece]:
        """Return the pieces of a line with what is searched for marked."""
        if not self.needle:
            return pieces
        parts = ((piece, text, hit) for piece in pieces for text, hit in split(piece.text, self.needle))
        return [Piece(text, "key") if hit else Piece(text, piece.role, piece.ink) for piece, text, hit in parts]

    def status(self) -> list[Piece]:
        """Return what is searched for, which match it is, and the keys for others; nothing before the first search."""
        if not self.needle:
            return []
        key = self._services.key_of
        keys = f"{key(f'{self._scope}.next_hit')} next, {key(f'{self._scope}.previous_hit')} previous  "
        return [Piece("search: ", "dim"), Piece(f"{clean(self.needle)}  ", "key"), *self.place(), Piece(keys, "dim")]

    def place(self) -> list[Piece]:
        """Return which match of how many it is, if that is known."""
        return [Piece(f"{self.search.status}  ", "text")] if self.search.status else []

    def _show(self, target: Searched, line: int | None) -> None:
        if line is None:
            self._services.notifier.notify(f"No match for {clean(self.needle)}")
        else:
            target.go_to(line)
        target.redraw()


def _any(_: str) -> str:
    return ""
