"""Rewraps lines when the width changes: lines that only the width had broken are joined and broken again.

It works like tmux, kitty and VTE, for the main screen and its scrollback; programs redraw the alternate screen
themselves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sandtui.terminal.lines import PADDED, Line, StoredLine
from sandtui.terminal.pen import PLAIN, Pen
from sandtui.terminal.widths import SPECIAL, cells_of

if TYPE_CHECKING:
    from sandtui.terminal.grid import Grid

Point = tuple[int, int]
"""Column and line on the screen."""

MAX_LINE_ROWS = 1000
"""The most rows that are wrapped as one line of text; in longer ones, some breaks stay where they are."""


def rewrap(rows: Sequence[StoredLine], width: int, least: int = 0) -> list[StoredLine]:
    """Rewrap one line of text, given as rows that continue each other, to another width.

    At least the first ``least`` cells are kept; other blanks at the end do not add a row.
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
    made: list[StoredLine] = []
    for start in range(0, len(text), width):
        end = start + width
        wrapped = True if end < len(text) else goes_on
        piece = text[start:end]
        ends, pens = _between(runs, start, min(end, len(text)))
        made.append(StoredLine(piece if wrapped or pens else piece.rstrip(" "), ends, pens, wrapped))
    return made or [StoredLine("", (), (), goes_on)]


def reflow(grid: Grid, width: int, height: int, points: Sequence[Point]) -> list[Point]:
    """Rewrap a screen and the part of its scrollback that becomes visible; :class:`Settling` does the rest.

    The end of the screen is kept: what does not fit goes into the scrollback, and if there is more room, lines return
    from there. Return the new positions of some points.
    """
    history = grid.history
    assert history is not None
    used = 1 + max([y for _, y in points] + [y for y, row in enumerate(grid.rows) if not _is_blank(row)])
    blank = len(grid.rows) - used
    above = _take(history) if history and history[-1].wrapped else []
    grid.scrolled_off -= len(above)
    rows = [*above, *(row.compact() for row in grid.rows[:used])]
    screen: list[StoredLine] = []
    positions: dict[int, Point] = {}
    start = 0
    for end, row in enumerate(rows, 1):
        if row.wrapped and end < len(rows):
            continue
        line = rows[start:end]
        offsets = _offsets(line, [(x, y + len(above) - start) for x, y in points])
        made = rewrap(line, width, max(offsets.values(), default=0))
        for number, offset in offsets.items():
            x, y = _place(made, offset)
            positions[number] = min(x, width), len(screen) + y
        screen += made
        start = end
    shift = 0
    while history and len(screen) + blank < height:
        line = _take(history)
        grid.scrolled_off -= len(line)
        made = rewrap(line, width)
        screen[:0] = made
        shift += len(made)
    surplus = max(0, len(screen) - height)
    grid.stale_before = grid.scrolled_off
    history.extend(screen[:surplus])
    grid.scrolled_off += surplus
    grid.rows = [row.line(width) for row in screen[surplus:]]
    grid.rows += [Line(width) for _ in range(height - len(grid.rows))]
    return [(x, max(0, y + shift - surplus)) for x, y in (positions[number] for number in range(len(points)))]


class Settling:
    """Rewraps the rest of the scrollback after a change of width, in slices: ten thousand lines take long.

    The lines are unchanged until :meth:`commit`.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._width = grid.width
        self._rows: Sequence[StoredLine] = tuple(islice(grid.history or (), max(0, stale(grid))))
        self._next = 0
        self._line: list[StoredLine] = []
        self._made: list[StoredLine] = []

    @property
    def is_ready(self) -> bool:
        """Whether only :meth:`commit` is left to do."""
        return self._next == len(self._rows)

    def step(self, rows: int) -> None:
        """Rewrap some more rows."""
        width, made = self._width, self._made
        end = min(self._next + rows, len(self._rows))
        for row in islice(self._rows, self._next, end):
            if not self._line and not row.wrapped and len(row.text) <= width and row.text.isascii():
                made.append(row)
                continue
            self._line.append(row)
            if not row.wrapped or len(self._line) == MAX_LINE_ROWS:
                made += rewrap(self._line, width)
                self._line = []
        self._next = end

    def commit(self) -> None:
        """Replace the old lines with the rewrapped ones, unless they have been dropped in the meantime."""
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
        grid.stale_before = grid.scrolled_off - len(history)


def stale(grid: Grid) -> int:
    """Return how many lines of the scrollback are wrapped to an earlier width."""
    return len(grid.history or ()) - (grid.scrolled_off - grid.stale_before)


def cells_in(row: StoredLine) -> int:
    """Return how many cells of a row have text."""
    text = row.text
    return (len(text) if text.isascii() else len(cells_of(text))) - row.padded


def _take(history: deque[StoredLine]) -> list[StoredLine]:
    """Remove the last line of text from the scrollback; return its rows, oldest first."""
    rows = [history.pop()]
    while history and history[-1].wrapped and len(rows) < MAX_LINE_ROWS:
        rows.append(history.pop())
    rows.reverse()
    return rows


def _is_blank(row: Line) -> bool:
    return not "".join(row.chars).strip(" ") and not (row.styled and any(pen is not PLAIN for pen in row.pens))


def _offsets(line: Sequence[StoredLine], points: Sequence[Point]) -> dict[int, int]:
    """Return the number of cells of a line of text before each point that is on it."""
    found = {}
    for number, (x, y) in enumerate(points):
        if 0 <= y < len(line):
            found[number] = sum(cells_in(row) for row in line[:y]) + x
    return found


def _place(rows: Sequence[StoredLine], offset: int) -> Point:
    for y, row in enumerate(rows[:-1]):
        cells = cells_in(row)
        if offset < cells:
            return offset, y
        offset -= cells
    return offset, len(rows) - 1


def _runs(rows: Sequence[StoredLine], texts: Sequence[str], length: int) -> list[tuple[int, Pen]]:
    """Return the end of each pen in the joined text."""
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
    """Return the ends and the pens in a piece of text; none if it is all plain."""
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


def _rewrap_cells(rows: Sequence[StoredLine], width: int, least: int) -> list[StoredLine]:
    """Rewrap a line with wide characters or combining marks, cell by cell."""
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
    total, index = len(whole.chars), 0
    made: list[StoredLine] = []
    while index < total:
        end = min(index + width, total)
        padded = end < total and whole.chars[end] == ""
        if padded and width == 1:
            # It does not fit at all.
            whole.chars[index], whole.chars[end], padded = " ", " ", False
        line = Line(0)
        end -= padded
        line.chars, line.pens = whole.chars[index:end], whole.pens[index:end]
        line.wide, line.styled = "" in line.chars, True
        line.wrapped = (PADDED if padded else True) if end < total else goes_on
        if padded:
            line.fit(width)
        made.append(line.compact())
        index = end
    return made or [StoredLine("", (), (), goes_on)]
