"""Charts made of characters: bars, plots, stacked bars, spans of time.

They take as many cells as they are given, down to one line, and return text or pieces with roles: themes and
``NO_COLOR`` apply to them as to text, and what they show can be read without color, by height, length or texture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isfinite

from sandtui.ui.rendering.text import Piece, Role

BARS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float]) -> str:
    """Return a bar for each value; the largest value has a full bar, zero the lowest."""
    sound = [_sound(value) for value in values]
    top = max(sound, default=0.0)
    return "".join(BARS[_level(value, top)] for value in sound)


def latest(values: Sequence[float], width: int) -> str:
    """Return the bars of the last values, scaled from the smallest to the largest of them."""
    shown = [value for value in values if isfinite(value)][-width:] if width > 0 else []
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if low == high:
        return BARS[0 if high == 0 else len(BARS) // 2] * len(shown)
    # Halved first: the difference of two finite numbers may be infinite.
    span = high / 2 - low / 2
    return "".join(BARS[min(len(BARS) - 1, int((value / 2 - low / 2) / span * len(BARS)))] for value in shown)


def trend(values: Sequence[float], width: int) -> str:
    """Return at most ``width`` bars for all values: each is the mean of some that follow each other."""
    sound = [value for value in values if isfinite(value)]
    if width <= 0 or len(sound) <= width:
        return latest(sound, width)
    bounds = [index * len(sound) // width for index in range(width + 1)]
    # Divided first: the sum of finite numbers may be infinite.
    parts = [sound[start:end] for start, end in pairwise(bounds)]
    return latest([sum(value / len(part) for value in part) for part in parts], width)


def plot(values: Sequence[float], width: int, height: int, top: float = 0.0) -> list[str]:
    """Return the rows of a plot of the last values, from the top; the newest is on the right.

    The scale goes from zero to ``top``, or to the largest value if that is more.
    """
    shown = [_sound(value) for value in values][-width:] if width > 0 else []
    top = max([_sound(top), *shown])
    steps = len(BARS)
    # In eighths of a cell; whatever was measured is at least a line.
    tall = [max(1, round(value / top * height * steps)) if top else 1 for value in shown]
    rows = []
    for row in reversed(range(height)):
        cells = "".join(_column(eighths - row * steps) for eighths in tall)
        rows.append(cells.rjust(width))
    return rows


def upright(values: Sequence[float], wide: int, gap: int, height: int) -> list[str]:
    """Return the rows of a chart of upright bars, from the top; zero has no bar."""
    sound = [_sound(value) for value in values]
    top = max(sound, default=0.0)
    tall = [max(1, round(value / top * height * len(BARS))) if value else 0 for value in sound]
    return [
        "".join(_column(eighths - row * len(BARS)) * wide + " " * gap for eighths in tall)
        for row in reversed(range(height))
    ]


def length(value: float, top: float, width: int) -> str:
    """Return a horizontal bar, exact to half a cell; more than nothing is at least that."""
    value, top = _sound(value), _sound(top)
    if not value or not top or width <= 0:
        return ""
    whole, half = divmod(max(1, round(min(1.0, value / top) * width * 2)), 2)
    return "━" * whole + "╸" * half


def divided(counts: Sequence[int], width: int) -> list[int]:
    """Divide a width in proportion to counts. Every count but zero gets a cell, as far as there are cells."""
    total = sum(counts)
    if not total or width <= 0:
        return [0] * len(counts)
    exact = [count * width / total for count in counts]
    cells = [max(1, int(share)) if count else 0 for share, count in zip(exact, counts, strict=True)]
    by_need = sorted(range(len(counts)), key=lambda index: exact[index] - cells[index])
    surplus = sum(cells) - width
    while surplus > 0:
        # Taken from the widest, or, with more parts than cells, from the smallest.
        wide = max(range(len(cells)), key=lambda index: (cells[index], -counts[index]))
        cells[wide] -= 1
        surplus -= 1
    for index in reversed(by_need):
        if surplus >= 0:
            break
        if counts[index]:
            cells[index] += 1
            surplus += 1
    return cells


def stacked(parts: Sequence[tuple[int, str, Role]], width: int) -> list[Piece]:
    """Return a bar divided by counts, each with the character that fills its part."""
    cells = divided([count for count, _, _ in parts], width)
    return [Piece(fill * room, role) for room, (_, fill, role) in zip(cells, parts, strict=True) if room]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a line of time, with the character that fills it."""

    start: float
    end: float
    fill: str
    role: Role


def spans(parts: Iterable[Span], total: float, width: int) -> list[Piece]:
    """Return a line of time from zero to ``total``; a span is at least a cell, and later ones are drawn over."""
    if width <= 0 or not (isfinite(total) and total > 0):
        return [Piece(" " * max(0, width), "dim")]
    line: list[tuple[str, Role]] = [(" ", "dim")] * width
    for part in parts:
        if not part.start <= part.end:
            continue
        start, end = (max(0.0, min(moment, total)) / total * width for moment in (part.start, part.end))
        first = min(width - 1, int(start))
        last = max(first + 1, ceil(end - 1e-9))
        line[first:last] = [(part.fill, part.role)] * (last - first)
    return joined(Piece(fill, role) for fill, role in line)


def joined(cells: Iterable[Piece]) -> list[Piece]:
    """Join neighbors of the same role."""
    pieces: list[Piece] = []
    for cell in cells:
        if pieces and pieces[-1].role == cell.role and pieces[-1].ink == cell.ink:
            pieces[-1] = Piece(pieces[-1].text + cell.text, cell.role, cell.ink)
        else:
            pieces.append(cell)
    return pieces


def _sound(value: float) -> float:
    """Return a value that can be drawn: nothing below zero, and no infinity."""
    return value if isfinite(value) and value > 0 else 0.0


def _level(value: float, top: float) -> int:
    return 0 if not value else max(1, int(value / top * (len(BARS) - 1)))


def _column(eighths: int) -> str:
    if eighths <= 0:
        return " "
    return BARS[min(eighths, len(BARS)) - 1]
