"""A log as lines that fit a width, and where a text is found in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_LINES = 200_000
"""Lines that are kept of a log; of a longer one the last are."""


@dataclass(slots=True)
class LogText:
    """Lines, already safe to draw; ``dropped`` says how many were left out before them."""

    lines: Sequence[str] = ()
    dropped: int = 0

    @classmethod
    def of(cls, lines: Sequence[str]) -> LogText:
        """Take the last lines of a log."""
        dropped = max(0, len(lines) - MOST_LINES)
        return cls(lines[dropped:], dropped)

    def wrapped(self, width: int, chop: Callable[[str, int], list[str]]) -> list[str]:
        """Return the lines cut to ``width`` cells by ``chop``."""
        shown: list[str] = []
        for line in self.lines:
            # Most lines are short, and a line of n letters has at most 2n cells.
            if 2 * len(line) <= width:
                shown.append(line)
            else:
                shown += chop(line, width) or [""]
        return shown


def find(lines: Sequence[str], needle: str, start: int, step: int) -> int | None:
    """Return the next line from ``start`` on that holds a text, round the end; lower case matches any case."""
    return find_among(len(lines), lambda place: lines[place], needle, start, step)


def find_among(count: int, text_of: Callable[[int], str], needle: str, start: int, step: int) -> int | None:
    """Return what :func:`find` does of ``count`` lines, each asked for only when it is looked at."""
    if not needle or not count:
        return None
    exact = needle != needle.lower()
    for offset in range(count):
        place = (start + step * offset) % count
        line = text_of(place)
        if needle in (line if exact else line.lower()):
            return place
    return None


def split(line: str, needle: str) -> list[tuple[str, bool]]:
    """Return the parts of a line, and whether each is what was looked for."""
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
