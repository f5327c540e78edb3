"""Which rows of the screen show which lines of a console, when some are folded away or wrapped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from sandtui.fleet.console import Console
from sandtui.fleet.output import OutputLine, Stream
from sandtui.ui.render.console import folded_pieces, line_pieces
from sandtui.ui.render.text import Piece
from sandtui.ui.render.wrap import wrapped

_PRINTED = frozenset({Stream.STDOUT, Stream.STDERR})


class ConsoleRows:
    """The rows of a console. Nothing is kept for them as long as each line has one row.

    Inside lines are counted from the first that ever was, so that a flood, which drops the oldest all the time,
    costs no more than its own lines.
    """

    def __init__(self, console: Console, job_key: str = "") -> None:
        self._console = console
        self._job_key = job_key
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
        made_for = width, frozenset(console.folded), console.clearings
        if self._rows is None or made_for != self._made_for:
            self._rows, self._settled, self._made_for, self._width = [], 0, made_for, width
        rows = self._rows
        del rows[: bisect_left(rows, (console.dropped, 0))]
        # What has ended stays as it is: only the lines that still grow, and new ones, are looked at.
        while rows and rows[-1][0] >= self._settled:
            rows.pop()
        rows += self._rows_from(max(0, self._settled - console.dropped))
        self._settled = console.dropped + console.settled

    def line(self, row: int) -> int:
        """Return the number of the line that a row shows."""
        return row if self._rows is None else self._rows[row][0] - self._console.dropped

    def row_of(self, line: int) -> int:
        """Return the first row that shows a line, or the last before it."""
        if self._rows is None:
            return min(line, max(0, len(self._console.lines) - 1))
        wanted = line + self._console.dropped
        place = bisect_left(self._rows, (wanted, 0))
        found = place < len(self._rows) and self._rows[place][0] == wanted
        return place if found else max(0, place - 1)

    def pieces(self, row: int) -> list[Piece]:
        """Draw a row."""
        if row >= len(self):
            return []
        if self._rows is None:
            return self._draw(self._console.lines[row])
        number, part = self._rows[row]
        lines, place = self._console.lines, number - self._console.dropped
        if not 0 <= place < len(lines):
            return []
        parts = self._parts(lines[place])
        return parts[part] if part < len(parts) else []

    def _parts(self, line: OutputLine) -> list[list[Piece]]:
        pieces = self._draw(line)
        if self._width is None or self._is_folded(line):
            return [pieces]
        # A very long line is on many rows: it is cut once for all of them.
        if self._cut is None or self._cut[0] is not line or self._cut[1] != self._width:
            self._cut = line, self._width, wrapped(pieces, self._width)
        return self._cut[2]

    def _rows_from(self, start: int) -> Iterator[tuple[int, int]]:
        console, width = self._console, self._width
        lines, dropped = console.lines, console.dropped
        for number in range(start, len(lines)):
            line = lines[number]
            if line.run in console.folded and line.stream is not Stream.COMMAND:
                continue
            if width is None or _surely_fits(line, width):
                yield dropped + number, 0
            else:
                yield from ((dropped + number, part) for part in range(len(self._parts(line))))

    def _draw(self, line: OutputLine) -> list[Piece]:
        # Runs are numbered from 1 and never removed, so the number is the place.
        run = self._console.runs[line.run - 1]
        if self._is_folded(line):
            return folded_pieces(line, run, self._console.size_of(line.run))
        return line_pieces(line, run, self._job_key)

    def _is_folded(self, line: OutputLine) -> bool:
        return line.stream is Stream.COMMAND and line.run in self._console.folded


def _surely_fits(line: OutputLine, width: int) -> bool:
    """Whether a line has one row, as far as its length tells: letters have two cells at most, but for the tab."""
    if line.stream not in _PRINTED or "\t" in line.text:
        return False
    cells = len(line.text) if line.text.isascii() else 2 * len(line.text)
    return cells + 2 <= width
