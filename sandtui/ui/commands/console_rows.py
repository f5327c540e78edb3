"""The visible rows of a console with collapsed runs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from sandtui.fleet.commands.console import Console
from sandtui.fleet.text.output_lines import OutputLine, OutputStream
from sandtui.ui.commands.console import folded_pieces, line_pieces
from sandtui.ui.rendering.text import Piece
from sandtui.ui.rendering.wrap import most_cells

_PRINTED = frozenset({OutputStream.STDOUT, OutputStream.STDERR})
_SIGN_CELLS = 2
_UNKNOWN = 1 << 30


class ConsoleRows:
    """The rows of a console. No state is needed while nothing is collapsed.

    Internally lines are numbered from the first one ever, so that dropping old lines during a flood of output costs
    nothing.
    """

    def __init__(self, console: Console, job_key: str = "") -> None:
        self._console = console
        self._job_key = job_key
        self._rows: list[int] | None = None
        self._made_for: tuple[object, ...] = ()
        self._settled = self._dropped = console.dropped
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def update(self) -> tuple[int, int]:
        """Update from the console.

        Return the number of unchanged rows at the start, and the number of rows dropped before them.
        """
        console = self._console
        made_for = frozenset(console.folded), console.clearings
        if made_for != self._made_for:
            self._made_for, self._settled, self._dropped = made_for, console.dropped, console.dropped
            self._rows = [] if console.folded else None
            self._count = 0
        gone, same = console.dropped - self._dropped, max(0, self._settled - console.dropped)
        if self._rows is not None:
            gone = bisect_left(self._rows, console.dropped)
            del self._rows[:gone]
            # Complete lines do not change: only growing and new ones are checked.
            del self._rows[bisect_left(self._rows, self._settled) :]
            same = len(self._rows)
            self._rows += self._rows_from(max(0, self._settled - console.dropped))
        self._dropped = console.dropped
        self._settled = console.dropped + console.settled
        self._count = len(console.lines) if self._rows is None else len(self._rows)
        return same, gone

    def line(self, row: int) -> int:
        """Return the line number of a row; negative if the line was dropped meanwhile."""
        return (self._dropped + row if self._rows is None else self._rows[row]) - self._console.dropped

    def row_of(self, line: int) -> int:
        """Return the row of a line, or the last row before it."""
        wanted = line + self._console.dropped
        if self._rows is None:
            return max(0, min(wanted - self._dropped, self._count - 1))
        index = bisect_left(self._rows, wanted)
        found = index < len(self._rows) and self._rows[index] == wanted
        return index if found else max(0, index - 1)

    def pieces(self, row: int) -> list[Piece]:
        """Draw a row."""
        line = self._at(row)
        if line is None:
            return []
        # Runs are numbered from 1 and never removed, so the number gives the index.
        run = self._console.runs[line.run - 1]
        if line.stream is OutputStream.COMMAND and line.run in self._console.folded:
            return folded_pieces(line, run, self._console.size_of(line.run))
        return line_pieces(line, run, self._job_key)

    def most_cells(self, row: int) -> int:
        """Return an upper bound for the width of a row, computed quickly from the length of its line."""
        line = self._at(row)
        if line is None or line.stream not in _PRINTED or "\t" in line.text:
            return _UNKNOWN
        return most_cells(line.text) + _SIGN_CELLS

    def _at(self, row: int) -> OutputLine | None:
        lines, index = self._console.lines, self.line(row) if row < len(self) else -1
        return lines[index] if 0 <= index < len(lines) else None

    def _rows_from(self, start: int) -> Iterator[int]:
        console = self._console
        for number in range(start, len(console.lines)):
            line = console.lines[number]
            if line.run not in console.folded or line.stream is OutputStream.COMMAND:
                yield console.dropped + number
