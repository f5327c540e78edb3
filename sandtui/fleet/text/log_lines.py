"""The lines of a log, and how they are filtered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_LINES = 200_000
"""Maximum lines of a log; of a longer one the last lines are shown."""

STAMP_LINES = 50
"""Lines at the end of a log that are checked for timestamps."""

_STAMP = re.compile(r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?\]?[ \t]+")
"""An ISO 8601 timestamp at the start of a line, with or without brackets."""


@dataclass(frozen=True, slots=True)
class LogLook:
    """How a log is shown: lines that contain ``only`` (``!x``: that do not contain x), with or without timestamps."""

    only: str = ""
    stamps: bool = True


@dataclass(slots=True)
class LogText:
    """Lines that are safe to draw; ``dropped`` is the number of lines omitted before them."""

    lines: Sequence[str] = ()
    dropped: int = 0

    @classmethod
    def of(cls, lines: Sequence[str]) -> LogText:
        """Return the last lines of a log."""
        dropped = max(0, len(lines) - MOST_LINES)
        return cls(lines[dropped:], dropped)


def arrange(log: LogText, look: LogLook) -> list[str]:
    """Return the lines of a log as shown. Slow for a long log: call it in a thread."""
    lines = filtered(log.lines, look.only)
    return list(lines) if look.stamps else [without_stamp(line) for line in lines]


def filtered(lines: Sequence[str], only: str) -> Sequence[str]:
    """Return the lines that contain a text, or do not if it starts with ``!``; lower case matches any case."""
    wanted = not only.startswith("!")
    text = only if wanted else only[1:]
    if not text:
        return lines
    if text != text.lower():
        return [line for line in lines if (text in line) is wanted]
    return [line for line in lines if (text in line.lower()) is wanted]


def has_stamps(lines: Sequence[str]) -> bool:
    """Whether the lines start with a timestamp."""
    return any(_STAMP.match(line) for line in lines[-STAMP_LINES:])


def without_stamp(line: str) -> str:
    """Return a line without its timestamp."""
    match = _STAMP.match(line)
    return line[match.end() :] if match else line
