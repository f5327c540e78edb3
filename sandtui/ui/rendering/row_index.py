"""Maps lines to screen rows, when a line may take several rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class RowIndex:
    """Cumulative heights of lines in rows; both directions are looked up by bisection.

    Internally rows are counted from the first line ever added, so that dropping lines in front is cheap.
    """

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return (self._ends[-1] if self._ends else self._start) - self._start

    def row(self, line: int) -> int:
        """Return the first row of a line, or the end if the line is unknown."""
        return (self._ends[min(line, len(self._ends)) - 1] if line > 0 and self._ends else self._start) - self._start

    def height(self, line: int) -> int:
        """Return the number of rows of a line, or 1 if the line is unknown."""
        return self.row(line + 1) - self.row(line) if line < len(self._ends) else 1

    def find(self, row: int) -> tuple[int, int]:
        """Return the line at a row, and the index of the row within it."""
        line = bisect_right(self._ends, row + self._start)
        return line, row - self.row(line)

    def append(self, height: int) -> None:
        self._ends.append((self._ends[-1] if self._ends else self._start) + height)

    def prepend(self, heights: Sequence[int]) -> None:
        first = self._start - sum(heights)
        self._ends[:0] = list(accumulate(heights, initial=first))[1:]
        self._start = first

    def drop(self, lines: int) -> None:
        """Remove the first lines."""
        if lines > 0 and self._ends:
            self._start = self._ends[min(lines, len(self._ends)) - 1]
            del self._ends[:lines]

    def truncate(self, lines: int) -> None:
        """Remove all but the first lines."""
        del self._ends[max(0, lines) :]
