"""Lines wrapped anew when the width changes: what only the width had broken is joined, and broken where it is now.

As tmux, kitty and VTE do it, for the main screen and its scrollback; a program that has the alternate screen draws
it anew by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sandtui.terminal.lines import PADDED, Kept, Line
from sandtui.terminal.pen import PLAIN, Pen
from sandtui.terminal.widths import SPECIAL, cells_of

if TYPE_CHECKING:
    from sandtui.terminal.grid import Grid

Point = tuple[int, int]
"""Column and line of the screen."""

LONGEST_LINE = 1000
"""Rows that are wrapped as one line of text; in a longer one a break stays where it is now and then."""


def rewrap(rows: Sequence[Kept], width: int, least: int = 0) -> list[Kept]:
    """Return one line of text, of which each row but the last goes on in the next, at another width.

    At least the first ``least`` cells are kept; other blanks at the end make no row of their own.
    """
    if len(rows) == 1 and least <= width and len(rows[0].text) <= width and rows[0].text.isascii():
        return [rows[0]]
    texts = [row.text[:-1] if row.padded else row.text for row in rows]
    text = "".join(texts)
    if SPECIAL.search(text):
        return _rewrap_cells(rows, width, least)
    goes_on = rows[-1].wrapped
    if not goes_on:
        used = max(len(text.rstrip(" ")), least, 1)
        text = text[: -(-used // width) * width].ljust(least)
    runs = _runs(rows, texts, len(text)) if any(row.pens for row in rows) else []
    made: list[Kept] = []
    for start in range(0, len(text), width):
        end = start + width
        wrapped = True if end < len(text) else goes_on
        piece = text[start:end]
        ends, pens = _between(runs, start, min(end, len(text)))
        made.append(Kept(piece if wrapped or pens else piece.rstrip(" "), ends, pens, wrapped))
    return made or [Kept("", (), (), goes_on)]


def reflow(grid: Grid, width: int, height: int, points: Sequence[Point]) -> list[Point]:
    """Wrap a screen anew, and what comes into view of its scrollback; the rest of it is done by :class:`Settling`.

    The screen's end stays where it is: what it has no room for goes into the scrollback, and when there is more room
    lines come back from there. Return where some points of it are now.
    """
    history = grid.history
    assert history is not None
    used = 1 + max([y for _, y in points] + [y for y, row in enumerate(grid.rows) if not _is_blank(row)])
    blank = len(grid.rows) - used
    above = _take(history) if history and history[-1].wrapped else []
    grid.kept -= len(above)
    rows = [*above, *(row.keep() for row in grid.rows[:used])]
    screen: list[Kept] = []
    places: dict[int, Point] = {}
    start = 0
    for end, row in enumerate(rows, 1):
        if row.wrapped and end < len(rows):
            continue
        line = rows[start:end]
        offsets = _offsets(line, [(x, y + len(above) - start) for x, y in points])
        made = rewrap(line, width, max(offsets.values(), default=0))
        for number, offset in offsets.items():
            x, y = _place(made, offset)
            places[number] = min(x, width), len(screen) + y
        screen += made
        start = end
    shift = 0
    while history and len(screen) + blank < height:
        line = _take(history)
        grid.kept -= len(line)
        made = rewrap(line, width)
        screen[:0] = made
        shift += len(made)
    surplus = max(0, len(screen) - height)
    grid.stale_before = grid.kept
    history.extend(screen[:surplus])
    grid.kept += surplus
    grid.rows = [row.line(width) for row in screen[surplus:]]
    grid.rows += [Line(width) for _ in range(height - len(grid.rows))]
    return [(x, max(0, y + shift - surplus)) for x, y in (places[number] for number in range(len(points)))]


class Settling:
    """Wraps what a change of the width has left of the scrollback, a slice at a time: ten thousand lines take long.

    Until :meth:`commit` those lines stay as they were.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._width = grid.width
        self._rows: Sequence[Kept] = tuple(islice(grid.history or (), max(0, stale(grid))))
        self._next = 0
        self._line: list[Kept] = []
        self._made: list[Kept] = []

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing left to do but :meth:`commit`."""
        return self._next == len(self._rows)

    def step(self, rows: int) -> None:
        """Look at some more rows."""
        width, made = self._width, self._made
        end = min(self._next + rows, len(self._rows))
        for row in islice(self._rows, self._next, end):
            if not self._line and not row.wrapped and len(row.text) <= width and row.text.isascii():
                made.append(row)
                continue
            self._line.append(row)
            if not row.wrapped or len(self._line) == LONGEST_LINE:
                made += rewrap(self._line, width)
                self._line = []
        self._next = end

    def commit(self) -> None:
        """Put what was made in place of what it was made from, unless that has gone meanwhile."""
        grid = self._grid
        history, left = grid.history, stale(grid)
        if history is None or left <= 0 or grid.width != self._width or not self.is_ready:
            return
        if self._line:
            self._made += rewrap(self._line, self._width)
        fresh = tuple(islice(history, left, None))
        history.clear()
        history.extend(self._made)
        history.extend(fresh)
        grid.stale_before = grid.kept - len(history)


def stale(grid: Grid) -> int:
    """Return how many lines of the scrollback are wrapped to a width of before."""
    return len(grid.history or ()) - (grid.kept - grid.stale_before)


def cells_in(row: Kept) -> int:
    """Return how many cells of a row hold its text."""
    text = row.text
    return (len(text) if text.isascii() else len(cells_of(text))) - row.padded


def _take(history: deque[Kept]) -> list[Kept]:
    """Take the last line of text out of the scrollback: its rows, oldest first."""
    rows = [history.pop()]
    while history and history[-1].wrapped and len(rows) < LONGEST_LINE:
        rows.append(history.pop())
    rows.reverse()
    return rows


def _is_blank(row: Line) -> bool:
    return not "".join(row.chars).strip(" ") and not (row.styled and any(pen is not PLAIN for pen in row.pens))


def _offsets(line: Sequence[Kept], points: Sequence[Point]) -> dict[int, int]:
    """Return how many cells of a line of text are before each point that is on it."""
    found = {}
    for number, (x, y) in enumerate(points):
        if 0 <= y < len(line):
            found[number] = sum(cells_in(row) for row in line[:y]) + x
    return found


def _place(rows: Sequence[Kept], offset: int) -> Point:
    for y, row in enumerate(rows[:-1]):
        cells = cells_in(row)
        if offset < cells:
            return offset, y
        offset -= cells
    return offset, len(rows) - 1


def _runs(rows: Sequence[Kept], texts: Sequence[str], length: int) -> list[tuple[int, Pen]]:
    """Return where each pen ends in the joined text."""
    runs: list[tuple[int, Pen]] = []
    before = 0
    for row, text in zip(rows, texts, strict=True):
        for end, pen in zip(row.ends or (len(text),), row.pens or (PLAIN,), strict=True):
            runs.append((before + min(end, len(text)), pen))
        before += len(text)
    if before < length:
        runs.append((length, PLAIN))
    return runs


def _between(runs: Sequence[tuple[int, Pen]], start: int, end: int) -> tuple[tuple[int, ...], tuple[Pen, ...]]:
    """Return the pens of a piece and where they end in it; none when all of it is plain."""
    ends: list[int] = []
    pens: list[Pen] = []
    for stop, pen in islice(runs, bisect_right(runs, start, key=lambda run: run[0]), None):
        if pens and pens[-1] is pen:
            ends[-1] = min(stop, end) - start
        else:
            ends.append(min(stop, end) - start)
            pens.append(pen)
        if stop >= end:
            break
    return ((), ()) if all(pen is PLAIN for pen in pens) else (tuple(ends), tuple(pens))


def _rewrap_cells(rows: Sequence[Kept], width: int, least: int) -> list[Kept]:
    """Wrap anew what has wide characters or combining marks, cell by cell."""
    whole = Line(0)
    for row in rows:
        line = row.line(0)
        if row.padded:
            line.fit(len(line.chars) - 1)
        whole.chars += line.chars
        whole.pens += line.pens
    goes_on = rows[-1].wrapped
    if not goes_on:
        used = len(whole.chars)
        while used > least and whole.chars[used - 1] == " ":
            used -= 1
        whole.wide = True
        whole.fit(max(used, least, 1))
    total, place = len(whole.chars), 0
    made: list[Kept] = []
    while place < total:
        end = min(place + width, total)
        padded = end < total and whole.chars[end] == ""
        if padded and width == 1:
            # There is no room for it at all.
            whole.chars[place], whole.chars[end], padded = " ", " ", False
        line = Line(0)
        end -= padded
        line.chars, line.pens = whole.chars[place:end], whole.pens[place:end]
        line.wide, line.styled = "" in line.chars, True
        line.wrapped = (PADDED if padded else True) if end < total else goes_on
        if padded:
            line.fit(width)
        made.append(line.keep())
        place = end
    return made or [Kept("", (), (), goes_on)]
