"""Lines of cells, and the compact form of lines that have left the screen."""

from __future__ import annotations

from itertools import accumulate, compress, islice, pairwise
from operator import is_not
from typing import NamedTuple

from sandtui.terminal.pen import PLAIN, Pen
from sandtui.terminal.widths import cells_of

PADDED = 2
"""The value of ``wrapped`` if the last cell was left blank because a wide character did not fit."""


class Line:
    """A line on the screen: a text and a pen for each cell.

    A wide character is in its first cell, and the second has an empty text; combining marks are in the cell that they
    belong to. ``wrapped`` is not 0 if the text continues in the next line.
    """

    __slots__ = ("chars", "pens", "styled", "wide", "wrapped")

    def __init__(self, width: int, pen: Pen = PLAIN) -> None:
        self.chars = [" "] * width
        self.pens = [pen] * width
        self.styled = pen is not PLAIN
        self.wide = False
        self.wrapped: int = False

    def fit(self, width: int) -> None:
        """Truncate or pad the line."""
        have = len(self.chars)
        if have < width:
            self.chars += [" "] * (width - have)
            self.pens += [PLAIN] * (width - have)
        elif have > width:
            if self.wide and self.chars[width] == "":
                self.chars[width - 1] = " "
            del self.chars[width:], self.pens[width:]

    def compact(self) -> StoredLine:
        """Return the line in the form of the scrollback."""
        text = "".join(self.chars)
        if not self.styled:
            return StoredLine(text if self.wrapped else text.rstrip(" "), (), (), self.wrapped)
        cuts = _cuts(self)
        pens = tuple([self.pens[cut - 1] for cut in cuts])
        if len(text) != len(self.chars) or self.wide:
            cuts = list(accumulate(len("".join(self.chars[start:end])) for start, end in pairwise([0, *cuts])))
        if pens[-1] is PLAIN and not self.wrapped:
            text = text[: max(len(text.rstrip(" ")), cuts[-2] if len(cuts) > 1 else 0)]
            if len(cuts) > 1 and len(text) == cuts[-2]:
                cuts, pens = cuts[:-1], pens[:-1]
            else:
                cuts[-1] = len(text)
        return StoredLine(text, tuple(cuts), pens, self.wrapped)

    def put(self, start: int, text: str, pen: Pen) -> None:
        """Overwrite cells from ``start`` with narrow characters, without care for wide characters around them."""
        end = start + len(text)
        self.chars[start:end] = text
        self.pens[start:end] = [pen] * len(text)
        if pen is not PLAIN:
            self.styled = True

    def split_wide(self, start: int, end: int) -> None:
        """Blank the halves of wide characters that remain when the cells between two indexes are overwritten."""
        chars = self.chars
        if 0 < start < len(chars) and chars[start] == "":
            chars[start - 1] = " "
        if end < len(chars) and chars[end] == "":
            chars[end] = " "


class TextRun(NamedTuple):
    """Text in one pen. ``cells`` is its width."""

    text: str
    pen: Pen
    cells: int


class StoredLine(NamedTuple):
    """A line that has left the screen. ``ends`` has the end of each pen's text; without pens, all is plain."""

    text: str
    ends: tuple[int, ...]
    pens: tuple[Pen, ...]
    wrapped: int

    @property
    def padded(self) -> bool:
        """Whether its last cell is not part of the text."""
        return self.wrapped == PADDED and self.text.endswith(" ")

    @property
    def runs(self) -> tuple[TextRun, ...]:
        """The line as runs."""
        starts = (0, *self.ends)
        pieces = [self.text[start:end] for start, end in pairwise(starts)] if self.ends else [self.text]
        return tuple(
            TextRun(piece, pen, len(piece) if piece.isascii() else len(cells_of(piece)))
            for piece, pen in zip(pieces, self.pens or (PLAIN,), strict=True)
        )

    def line(self, width: int) -> Line:
        """Return the line as cells, at least ``width`` of them."""
        line = Line(0)
        for text, pen, _ in self.runs:
            chars = cells_of(text)
            line.chars += chars
            line.pens += [pen] * len(chars)
            line.styled = line.styled or pen is not PLAIN
        line.wide = "" in line.chars
        line.wrapped = self.wrapped
        if len(line.chars) < width:
            line.fit(width)
        return line


def runs_of(line: Line) -> tuple[TextRun, ...]:
    """Return the runs of a line, from its first cell to its last."""
    chars, pens = line.chars, line.pens
    return tuple(
        TextRun("".join(chars[start:end]), pens[start], end - start) for start, end in pairwise([0, *_cuts(line)])
    )


def _cuts(line: Line) -> list[int]:
    """Return the indexes where the pen changes, and the end."""
    pens = line.pens
    return [*compress(range(1, len(pens)), map(is_not, pens, islice(pens, 1, None))), len(pens)]
