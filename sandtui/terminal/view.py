"""Reads a terminal: scrollback and screen as one text, with stable line numbers."""

from __future__ import annotations

from sandtui.terminal.emulation import Emulation
from sandtui.terminal.lines import TextRun, runs_of
from sandtui.terminal.widths import cells_of


class TerminalText:
    """The lines of a terminal, by numbers that stay the same as output arrives; ``first`` is the oldest stored line.

    A change of width rewraps and renumbers lines: :meth:`mark` and :meth:`find` map a line to its new number.
    """

    def __init__(self, terminal: Emulation) -> None:
        self.terminal = terminal

    @property
    def first(self) -> int:
        """The number of the oldest line."""
        return self.top if self.terminal.is_alternate else self.top - len(self.terminal.history)

    @property
    def top(self) -> int:
        """The number of the first line on the screen."""
        return self.terminal.main.scrolled_off

    @property
    def end(self) -> int:
        """One more than the number of the last line on the screen."""
        return self.top + self.terminal.grid.height

    def runs(self, line: int) -> tuple[TextRun, ...]:
        """Return a line as styled runs; empty if it does not exist. The text of a run is as wide as its ``cells``."""
        screen_line = line - self.top
        if screen_line >= 0:
            rows = self.terminal.grid.rows
            return runs_of(rows[screen_line]) if screen_line < len(rows) else ()
        index = len(self.terminal.history) + screen_line
        if index < 0 or self.terminal.is_alternate:
            return ()
        return self.terminal.history[index].runs

    def plain(self, line: int) -> str:
        """Return the text of a line without trailing blanks."""
        screen_line = line - self.top
        if screen_line >= 0:
            rows = self.terminal.grid.rows
            return "".join(rows[screen_line].chars).rstrip() if screen_line < len(rows) else ""
        index = len(self.terminal.history) + screen_line
        if index < 0 or self.terminal.is_alternate:
            return ""
        return self.terminal.history[index].text.rstrip()

    def is_wrapped(self, line: int) -> bool:
        """Whether the text of a line continues in the next one."""
        screen_line = line - self.top
        if screen_line >= 0:
            rows = self.terminal.grid.rows
            return screen_line < len(rows) and bool(rows[screen_line].wrapped)
        index = len(self.terminal.history) + screen_line
        return index >= 0 and not self.terminal.is_alternate and bool(self.terminal.history[index].wrapped)

    def mark(self, line: int) -> tuple[int, int]:
        """Return the position of a line in the text, for :meth:`find`: the lines of text before it, and the cells."""
        first, start = self.first, line
        while start > first and self.is_wrapped(start - 1):
            start -= 1
        ended = sum(not self.is_wrapped(number) for number in range(first, start))
        return ended, sum(self._cells(number) for number in range(start, line))

    def find(self, mark: tuple[int, int]) -> int:
        """Return the number of the line that now has a position in the text."""
        ended, cells = mark
        line, last = self.first, self.end - 1
        while ended and line < last:
            ended -= not self.is_wrapped(line)
            line += 1
        while line < last and self.is_wrapped(line) and cells >= self._cells(line):
            cells -= self._cells(line)
            line += 1
        return line

    def copy(self, first: int, last: int) -> str:
        """Return the text of some lines; lines that were only broken by the width are joined."""
        parts = []
        for line in range(max(first, self.first), min(last + 1, self.end)):
            joined = line < last and self.is_wrapped(line)
            parts.append(self._whole(line) if joined else self.plain(line) + "\n")
        return "".join(parts).rstrip("\n")

    def holds(self, line: int, needle: str) -> bool:
        """Return whether a match begins on a line; it may span wrapped lines.

        A needle in lower case matches any case; a capital makes the search exact.
        """
        return bool(self._begins(line, needle))

    def last_line(self, line: int, needle: str) -> int:
        """Return the line on which a match ends that begins on ``line``."""
        begins = self._begins(line, needle)
        left = begins[0] + len(needle) - len(self._text(line)) if begins else 0
        while left > 0 and line + 1 < self.end:
            line += 1
            left -= len(self._text(line))
        return line

    def matches(self, line: int, needle: str) -> list[tuple[int, int]]:
        """Return the cells of a line that are part of a match, each as start and end."""
        if not needle:
            return []
        text, at = self._around(line, len(needle) - 1, before=True)
        row = self._text(line)
        spans = []
        for begin in _found(text, needle):
            start, end = max(0, begin - at), min(begin + len(needle) - at, len(row))
            if start < end:
                spans.append((len(cells_of(row[:start])), len(cells_of(row[:end]))))
        return spans

    def _begins(self, line: int, needle: str) -> list[int]:
        """Return the indexes on a line at which matches begin; they may end on later lines."""
        text, _ = self._around(line, len(needle) - 1)
        length = len(self._text(line))
        return [begin for begin in _found(text, needle) if begin < length]

    def _around(self, line: int, letters: int, *, before: bool = False) -> tuple[str, int]:
        """Return a line with at least ``letters`` more from the lines wrapped around it, and its index in that."""
        parts = [self._text(line)]
        last, missing = line, letters
        while missing > 0 and self._continues(last):
            last += 1
            parts.append(self._text(last))
            missing -= len(parts[-1])
        head = ""
        while before and len(head) < letters and line > self.first and self._continues(line - 1):
            line -= 1
            head = self._text(line) + head
        return head + "".join(parts), len(head)

    def _continues(self, line: int) -> bool:
        return line + 1 < self.end and self.is_wrapped(line)

    def _text(self, line: int) -> str:
        """Return the text of a line, with trailing blanks if it continues in the next one."""
        return self._whole(line) if self._continues(line) else self.plain(line)

    def _whole(self, line: int) -> str:
        """Return the text of a continued line, with the trailing blanks that belong to it."""
        screen_line = line - self.top
        if screen_line < 0:
            row = self.terminal.history[len(self.terminal.history) + screen_line]
        else:
            row = self.terminal.grid.rows[screen_line].compact()
        return row.text[:-1] if row.padded else row.text

    def _cells(self, line: int) -> int:
        return sum(run.cells for run in self.runs(line))


def _found(text: str, needle: str) -> list[int]:
    """Return the indexes of matches; a needle in lower case matches any case."""
    if needle == needle.lower():
        lower = text.lower()
        # Some letters become two in lower case, which would shift the indexes of matches.
        text = lower if len(lower) == len(text) else "".join(low if len(low := c.lower()) == 1 else c for c in text)
    found = []
    index = text.find(needle)
    while index >= 0:
        found.append(index)
        index = text.find(needle, index + 1)
    return found
