"""Lines of cells, and the smaller form in which they are kept once they have left the screen."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from sandtui.fleet.terminal.pen import PLAIN, Pen


class Line:
    """A line on the screen: a text and a pen for each cell.

    A wide character stands in its first cell and the second is an empty text; combining marks stand with what
    they belong to. ``wrapped`` says that the text goes on in the next line.
    """

    __slots__ = ("chars", "pens", "styled", "wide", "wrapped")

    def __init__(self, width: int, pen: Pen = PLAIN) -> None:
        self.chars = [" "] * width
        self.pens = [pen] * width
        self.styled = pen is not PLAIN
        self.wide = False
        self.wrapped = False

    def fit(self, width: int) -> None:
        """Cut the line or fill it up."""
        have = len(self.chars)
        if have < width:
            self.chars += [" "] * (width - have)
            self.pens += [PLAIN] * (width - have)
        elif have > width:
            if self.wide and self.chars[width] == "":
                self.chars[width - 1] = " "
            del self.chars[width:], self.pens[width:]

    def keep(self) -> Kept:
        """Return the line as it is kept in the scrollback."""
        text = "".join(self.chars)
        if not self.styled:
            return Kept(text if self.wrapped else text.rstrip(" "), (), self.wrapped)
        runs = runs_of(self)
        if not self.wrapped and runs[-1].pen is PLAIN and (left := runs[-1].text.rstrip(" ")) != runs[-1].text:
            text = text.rstrip(" ")
            last = (Run(left, PLAIN, runs[-1].cells - len(runs[-1].text) + len(left)),) if left else ()
            runs = (*runs[:-1], *last)
        return Kept(text, runs if runs else (), self.wrapped)

    def put(self, start: int, text: str, pen: Pen) -> None:
        """Overwrite cells from ``start`` with narrow characters; nothing else of the line is looked after."""
        end = start + len(text)
        self.chars[start:end] = text
        self.pens[start:end] = [pen] * len(text)
        if pen is not PLAIN:
            self.styled = True

    def split_wide(self, start: int, end: int) -> None:
        """Blank the halves of wide characters that will be left over when the cells between are overwritten."""
        chars = self.chars
        if 0 < start < len(chars) and chars[start] == "":
            chars[start - 1] = " "
        if end < len(chars) and chars[end] == "":
            chars[end] = " "


class Run(NamedTuple):
    """Some text in one pen. ``cells`` is its width."""

    text: str
    pen: Pen
    cells: int


class Kept(NamedTuple):
    """A line that has left the screen. ``runs`` is empty when all of it is plain."""

    text: str
    runs: tuple[Run, ...]
    wrapped: bool

    def line(self, width: int) -> Line:
        """Return it as cells again, at least ``width`` of them."""
        from sandtui.fleet.terminal.widths import cells_of

        line = Line(0)
        for text, pen, _ in self.runs or (Run(self.text, PLAIN, 0),):
            chars = cells_of(text)
            line.chars += chars
            line.pens += [pen] * len(chars)
            line.styled = line.styled or pen is not PLAIN
        line.wide = "" in line.chars
        line.wrapped = self.wrapped
        if len(line.chars) < width:
            line.fit(width)
        return line


def runs_of(line: Line) -> tuple[Run, ...]:
    """Return the runs of a line, from its first cell to its last."""
    runs = []
    place = 0
    for pen, group in groupby(line.pens):
        cells = len(list(group))
        runs.append(Run("".join(line.chars[place : place + cells]), pen, cells))
        place += cells
    return tuple(runs)
