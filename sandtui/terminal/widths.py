"""The width of characters in cells, and the characters that are never written to a cell."""

from __future__ import annotations

import re

from wcwidth import wcwidth

MAX_MARKS = 8
"""The most combining marks of a cell, so that a stream of marks cannot fill the memory."""

SPECIAL = re.compile(
    "[^\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0530\u2010-\u2027\u2030-\u205e\u2190-\u21ff"
    "\u2500-\u259f\u2800-\u28ff]"
)
"""Finds characters that need a closer look. All others are one cell wide and safe."""

_DROPPED = re.compile(
    "[\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def width_of(char: str) -> int:
    """Return 0 for a mark that joins the cell before it, 1 or 2 for a character, -1 for one that is dropped.

    Controls of the text direction are dropped, since they would reorder text beside the terminal. So are joiners and
    variation selectors, since terminals disagree about the width of the result.
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
            index = -2 if cells[-1] == "" and len(cells) > 1 else -1
            cells[index] += char
    return cells
