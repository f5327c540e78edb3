"""How many cells a character takes, and which characters never get into a cell."""

from __future__ import annotations

import re

from wcwidth import wcwidth

MARKS_KEPT = 8
"""Combining marks that one cell keeps; a stream of marks must not fill the memory."""

SPECIAL = re.compile(
    "[^\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0530\u2010-\u2027\u2030-\u205e\u2190-\u21ff"
    "\u2500-\u259f\u2800-\u28ff]"
)
"""Finds text that has to be looked at one by one. What it passes over is one cell wide and harmless."""

_DROPPED = re.compile(
    "[\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def width_of(char: str) -> int:
    """Return 0 for a mark that joins the cell before it, 1 or 2 for a character, -1 for what is dropped.

    Controls of the text's direction are dropped: they would reorder what is drawn beside the terminal. So are joiners
    and variation selectors: terminals do not agree how wide what they make is.
    """
    return -1 if _DROPPED.match(char) else wcwidth(char)


def cells_of(text: str) -> list[str]:
    """Return the cells of a text that was made from cells."""
    if not SPECIAL.search(text):
        return list(text)
    cells: list[str] = []
    for char in text:
        width = width_of(char)
        if width > 0:
            cells.append(char)
            if width == 2:
                cells.append("")
        elif width == 0 and cells:
            place = -2 if cells[-1] == "" and len(cells) > 1 else -1
            cells[place] += char
    return cells
