"""Wraps pieces to a width in cells."""

from __future__ import annotations

from dataclasses import replace

from sandtui.ui.rendering.text import Piece, width_of


def most_cells(text: str) -> int:
    """Return a fast upper bound of the width of a line in cells."""
    return len(text) if text.isascii() else 2 * len(text)


def wrapped(pieces: list[Piece], width: int) -> list[list[Piece]]:
    """Return the pieces as at least one line of at most ``width`` (2 or more) cells."""
    lines: list[list[Piece]] = [[]]
    room = width
    for piece in pieces:
        start, text = 0, piece.text
        while start < len(text):
            end = _end(text, start, room)
            if end > start:
                part = text[start:end]
                lines[-1].append(piece if part == text else replace(piece, text=part))
                room -= width_of(part)
                start = end
            if start < len(text):
                lines.append([])
                room = width
    return lines


def _end(text: str, start: int, room: int) -> int:
    """Return the end of the part that fits from ``start`` on."""
    part = text[start : start + room]
    if part.isascii() or width_of(part) <= room:
        return start + len(part)
    low, high = 0, len(part)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(part[:middle]) <= room else (low, middle - 1)
    return start + low
