"""Which rows of the screen show which lines of a console, when some are folded away or wrapped."""

from __future__ import annotations

from collections.abc import Iterator

from sandtui.fleet.console import Console
from sandtui.fleet.output import OutputLine, Stream
from sandtui.ui.render.console import folded_pieces, line_pieces
from sandtui.ui.render.text import Piece
from sandtui.ui.render.wrap import wrapped


class ConsoleRows:
    """The rows of a console. Nothing is kept for them as long as each line has one row."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width: int | None = None
        self._rows: list[tuple[int, int]] | None = None
        self._made_for: tuple[object, ...] = ()
        self._settled = 0
        self._cut: tuple[OutputLine, int, list[list[Piece]]] | None = None

    def __len__(self) -> int:
        return len(self._console.lines) if self._rows is None else len(self._rows)

    def update(self, width: int | None) -> None:
        """Look at the console anew; ``width`` wraps, in cells, None does not."""
        console = self._console
        if width is None and not console.folded:
            self._rows, self._width = None, None
            return
        made_for = width, frozenset(console.folded), console.dropped
        if self._rows is None or made_for != self._made_for or self._settled > len(console.lines):
            self._rows, self._settled, self._made_for, self._width = [], 0, made_for, width
        # What has ended stays as it is: only the lines that still grow, and new ones, are looked at.
        rows = self._rows
        while rows and rows[-1][0] >= self._settled:
            rows.pop()
        rows += self._rows_from(self._settled)
        self._settled = console.settled

    def line(self, row: int) -> int:
        """Return the number of the line that a row shows."""
        return row if self._rows is None else self._rows[row][0]

    def row_of(self, line: int) -> int:
        """Return the first row that shows a line, or the last before it."""
        if self._rows is None:
            return min(line, max(0, len(self._console.lines) - 1))
        low, high = 0, len(self._rows)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._rows[middle][0] < line else (low, middle)
        found = low < len(self._rows) and self._rows[low][0] == line
        return low if found else max(0, low - 1)

    def pieces(self, row: int) -> list[Piece]:
        """Draw a row."""
        if row >= len(self):
            return []
        if self._rows is None:
            return self._draw(self._console.lines[row])
        line, part = self._rows[row]
        return self._parts(self._console.lines[line])[part]

    def _parts(self, line: OutputLine) -> list[list[Piece]]:
        pieces = self._draw(line)
        if self._width is None or 2 * len(line.text) + 2 <= self._width:
            return [pieces]
        # A very long line is on many rows: it is cut once for all of them.
        if self._cut is None or self._cut[0] is not line or self._cut[1] != self._width:
            self._cut = line, self._width, wrapped(pieces, self._width)
        return self._cut[2]

    def _rows_from(self, start: int) -> Iterator[tuple[int, int]]:
        console, width = self._console, self._width
        lines = console.lines
        for number in range(start, len(lines)):
            line = lines[number]
            if line.run in console.folded and line.stream is not Stream.COMMAND:
                continue
            # A letter has two cells at most; codes have none, but are few.
            if width is None or 2 * len(line.text) + 2 <= width:
                yield number, 0
            else:
                yield from ((number, part) for part in range(len(self._parts(line))))

    def _draw(self, line: OutputLine) -> list[Piece]:
        # Runs are numbered from 1 and never removed, so the number is the place.
        run = self._console.runs[line.run - 1]
        if line.run in self._console.folded and line.stream is Stream.COMMAND:
            return folded_pieces(line, run, self._console.size_of(line.run))
        return line_pieces(line, run)
