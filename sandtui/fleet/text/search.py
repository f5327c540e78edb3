"""Searching lines for a text: which line comes next, round the end, and which match of how many it is.

Lower case matches any case; a capital makes the text exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

COUNTED_LINES = 2_000
"""Of more lines the matches are not counted: that would take longer than finding one."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to search, numbered from ``first`` to before ``end``. ``holds`` tells whether one of them holds a text."""

    first: int
    end: int
    holds: Callable[[int, str], bool]

    @classmethod
    def of(cls, count: int, text_of: Callable[[int], str]) -> Lines:
        """Return some texts as lines; each is asked for only when it is looked at."""
        return cls(0, count, lambda number, needle: is_in(needle, text_of(number)))

    def find(self, needle: str, start: int, step: int) -> int | None:
        """Return the first line from ``start`` on that holds a text, going down (1) or up (-1), round the end once."""
        count = self.end - self.first
        if not needle or count <= 0:
            return None
        for distance in range(count):
            number = self.first + (start - self.first + step * distance) % count
            if self.holds(number, needle):
                return number
        return None


@dataclass(slots=True)
class Search:
    """What is searched for. ``place`` is the number of the last match and of how many, if they were counted."""

    needle: str = ""
    place: tuple[int, int] | None = None

    def begin(self, needle: str, lines: Lines, cursor: int, step: int) -> int | None:
        """Search for another text, from the line of the cursor on; return the line of the match."""
        self.needle = needle
        return self._go(lines, cursor, step)

    def go(self, lines: Lines, cursor: int, step: int) -> int | None:
        """Return the line of the next (1) or the previous (-1) match, seen from the line of the cursor."""
        return self._go(lines, cursor + step, step)

    @property
    def status(self) -> str:
        """Which match of how many it is, if that is known."""
        return f"{self.place[0]} of {self.place[1]}" if self.place is not None else ""

    def _go(self, lines: Lines, start: int, step: int) -> int | None:
        found = lines.find(self.needle, start, step)
        self.place = None
        if found is not None and lines.end - lines.first <= COUNTED_LINES:
            held = [number for number in range(lines.first, lines.end) if lines.holds(number, self.needle)]
            self.place = held.index(found) + 1, len(held)
        return found


def is_in(needle: str, line: str) -> bool:
    """Whether a line holds a text."""
    return needle in (line if needle != needle.lower() else line.lower())


def split(line: str, needle: str) -> list[tuple[str, bool]]:
    """Return the parts of a line, and whether each is what was searched for."""
    if not needle:
        return [(line, False)]
    text = line if needle != needle.lower() else line.lower()
    if len(text) != len(line):
        return [(line, False)]  # Some letters change their length with their case: then nothing is marked.
    parts: list[tuple[str, bool]] = []
    start = 0
    while (at := text.find(needle, start)) >= 0:
        parts += [(line[start:at], False), (line[at : at + len(needle)], True)]
        start = at + len(needle)
    return [part for part in [*parts, (line[start:], False)] if part[0]]
