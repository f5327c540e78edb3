"""Which rows of the screen show which lines, when a line may take more than one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class RowIndex:
    """The heights of some lines, in rows, as sums: both directions are found by bisection.

    Rows are counted inside from the first that ever was, so that lines that are dropped in front cost nothing more.
    """

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return (self._ends[-1] if self._ends else self._start) - self._start

    def row(self, line: int) -> int:
        """Return the first row of a line; of one that is not counted, the end."""
        return (self._ends[min(line, len(self._ends)) - 1] if line > 0 and self._ends else self._start) - self._start

    def height(self, line: int) -> int:
        """Return how many rows a line takes; one that is not counted takes one."""
        return self.row(line + 1) - self.row(line) if line < len(self._ends) else 1

    def find(self, row: int) -> tuple[int, int]:
        """Return the line that a row shows, and which of its rows it is."""
        line = bisect_right(self._ends, row + self._start)
        return line, row - self.row(line)

    def append(self, height: int) -> None:
        """Add a line at the end."""
        self._ends.append((self._ends[-1] if self._ends else self._start) + height)

    def prepend(self, heights: Sequence[int]) -> None:
        """Add lines in front."""
        first = self._start - sum(heights)
        self._ends[:0] = list(accumulate(heights, initial=first))[1:]
        self._start = first

    def drop(self, lines: int) -> None:
        """Forget the first lines."""
        if lines > 0 and self._ends:
            self._start = self._ends[min(lines, len(self._ends)) - 1]
            del self._ends[:lines]

    def truncate(self, lines: int) -> None:
        """Forget all but the first lines."""
        del self._ends[max(0, lines) :]
