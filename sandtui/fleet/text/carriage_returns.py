"""Carriage returns in output: a line that is overwritten, as by a progress bar, is shown in its last state."""

from __future__ import annotations

import re

COLOR_CODE = re.compile("\x1b\\[([0-9;:]*)([mK])")
"""A code that colors what follows, or erases the rest of the line; it shows nothing by itself."""

_CODES_ONLY = re.compile(f"(?:{COLOR_CODE.pattern})*")


def is_blank(text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether a part of a line shows nothing: it is empty, or has color codes only."""
    return _CODES_ONLY.fullmatch(text, start, len(text) if end is None else end) is not None


def state_span(line: str) -> tuple[int, int]:
    """Return start and end of the last state of a line.

    That is what follows the last carriage return. A carriage return followed by nothing visible has only moved the
    cursor, so that the text before it is still shown.
    """
    end = len(line)
    while True:
        start = line.rfind("\r", 0, end) + 1
        if not start or not is_blank(line, start, end):
            return start, end
        end = start - 1


def last_state(line: str) -> str:
    """Return what a line finally shows."""
    if "\r" not in line:
        return line
    start, end = state_span(line)
    return line[start:end]
