"""A log as lines to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_LINES = 200_000
"""Lines that are kept of a log; of a longer one the last are."""

LOOKED_AT = 50
"""Lines at the end of a log in which a time is looked for."""

_STAMP = re.compile(r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?\]?[ \t]+")
"""A time of ISO 8601 at the beginning of a line, alone or in brackets."""


@dataclass(frozen=True, slots=True)
class LogLook:
    """How a log is shown: the lines that hold ``only`` (``!x``: that do not hold x), with their times or without."""

    only: str = ""
    stamps: bool = True


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


def arrange(log: LogText, look: LogLook) -> list[str]:
    """Return the lines of a log as they are to be shown. Of a long log this takes a while: not on the event loop."""
    lines = filtered(log.lines, look.only)
    return list(lines) if look.stamps else [without_stamp(line) for line in lines]


def filtered(lines: Sequence[str], only: str) -> Sequence[str]:
    """Return the lines that hold a text, or with ``!`` before it do not; lower case matches any case."""
    wanted = not only.startswith("!")
    text = only if wanted else only[1:]
    if not text:
        return lines
    if text != text.lower():
        return [line for line in lines if (text in line) is wanted]
    return [line for line in lines if (text in line.lower()) is wanted]


def has_stamps(lines: Sequence[str]) -> bool:
    """Whether the lines begin with their time."""
    return any(_STAMP.match(line) for line in lines[-LOOKED_AT:])


def without_stamp(line: str) -> str:
    """Return a line without the time at its beginning."""
    match = _STAMP.match(line)
    return line[match.end() :] if match else line
