"""Carriage returns in output: a line that is written over, as progress bars do it, is shown in its last state."""

from __future__ import annotations

import re

COLOUR_CODE = re.compile("\x1b\\[([0-9;:]*)([mK])")
"""A code that colours what follows or erases the rest of the line: it shows nothing by itself."""

_CODES_ONLY = re.compile(f"(?:{COLOUR_CODE.pattern})*")


def is_blank(text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether a part of a line shows nothing: it is empty or has only colour codes."""
    return _CODES_ONLY.fullmatch(text, start, len(text) if end is None else end) is not None


def state_span(line: str) -> tuple[int, int]:
    """Return where the last state of a line begins and ends.

    It is what follows the last carriage return. One that shows nothing after it has only moved the cursor: what was
    there still stands.
    """
    end = len(line)
    while True:
        start = line.rfind("\r", 0, end) + 1
        if not start or not is_blank(line, start, end):
            return start, end
        end = start - 1


def last_state(line: str) -> str:
    """Return what a line shows in the end."""
    if "\r" not in line:
        return line
    start, end = state_span(line)
    return line[start:end]
