"""Reading a terminal: scrollback and screen as one text, whose lines keep their numbers as more comes."""

from __future__ import annotations

from sandtui.terminal.emulation import Emulation
from sandtui.terminal.lines import TextRun, runs_of
from sandtui.terminal.widths import cells_of


class TerminalText:
    """The lines of a terminal, by numbers that stay while more comes; ``first`` is the oldest that is still kept.

    Another width wraps lines anew, and they get other numbers: :meth:`mark` and :meth:`find` bring one over.
    """

    def __init__(self, terminal: Emulation) -> None:
        self.terminal = terminal

    @property
    def first(self) -> int:
        """The number of the oldest line."""
        return self.top if self.terminal.is_alternate else self.top - len(self.terminal.history)

    @property
    def top(self) -> int:
        """The number of the screen's first line."""
        return self.terminal.main.kept

    @property
    def end(self) -> int:
        """One more than the number of the screen's last line."""
        return self.top + self.terminal.grid.height

    def runs(self, line: int) -> tuple[TextRun, ...]:
        """Return a line as styled runs; an unknown one is empty. A run's text is as wide as its ``cells``."""
        screen_line = line - self.top
        if screen_line >= 0:
            rows = self.terminal.grid.rows
            return runs_of(rows[screen_line]) if screen_line < len(rows) else ()
        place = len(self.terminal.history) + screen_line
        if place < 0 or self.terminal.is_alternate:
            return ()
        return self.terminal.history[place].runs

    def plain(self, line: int) -> str:
        """Return the text of a line without the blanks at its end."""
        screen_line = line - self.top
        if screen_line >= 0:
            rows = self.terminal.grid.rows
            return "".join(rows[screen_line].chars).rstrip() if screen_line < len(rows) else ""
        place = len(self.terminal.history) + screen_line
        if place < 0 or self.terminal.is_alternate:
            return ""
        return self.terminal.history[place].text.rstrip()

    def is_wrapped(self, line: int) -> bool:
        """Whether a line's text goes on in the next one."""
        screen_line = line - self.top
        if screen_line >= 0:
            rows = self.terminal.grid.rows
            return screen_line < len(rows) and bool(rows[screen_line].wrapped)
        place = len(self.terminal.history) + screen_line
        return place >= 0 and not self.terminal.is_alternate and bool(self.terminal.history[place].wrapped)

    def mark(self, line: int) -> tuple[int, int]:
        """Return where a line is in the text, for :meth:`find`: how many lines of text are before it, and cells."""
        first, start = self.first, line
        while start > first and self.is_wrapped(start - 1):
            start -= 1
        ended = sum(not self.is_wrapped(number) for number in range(first, start))
        return ended, sum(self._cells(number) for number in range(start, line))

    def find(self, mark: tuple[int, int]) -> int:
        """Return the line on which a place in the text is now."""
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
        """Return the text of some lines; lines that only the terminal's width has broken are joined."""
        parts = []
        for line in range(max(first, self.first), min(last + 1, self.end)):
            joined = line < last and self.is_wrapped(line)
            parts.append(self._whole(line) if joined else self.plain(line) + "\n")
        return "".join(parts).rstrip("\n")

    def search(self, needle: str, start: int, step: int) -> int | None:
        """Return the next line in which a text begins, going up (-1) or down (1) from ``start``, round the end once.

        Lower case matches any case; a capital makes it exact. What the terminal's width has broken is found.
        """
        if not needle:
            return None
        count = self.end - self.first
        for distance in range(1, count + 1):
            line = self.first + (start - self.first + distance * step) % count
            if self._begins(line, needle):
                return line
        return None

    def last_line(self, line: int, needle: str) -> int:
        """Return the line on which a text ends that begins on ``line``."""
        begins = self._begins(line, needle)
        left = begins[0] + len(needle) - len(self._text(line)) if begins else 0
        while left > 0 and line + 1 < self.end:
            line += 1
            left -= len(self._text(line))
        return line

    def matches(self, line: int, needle: str) -> list[tuple[int, int]]:
        """Return the cells of a line that show a text or a part of one, each as its start and end."""
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
        """Return where on a line a text begins that may go on in the next ones."""
        text, _ = self._around(line, len(needle) - 1)
        length = len(self._text(line))
        return [begin for begin in _found(text, needle) if begin < length]

    def _around(self, line: int, letters: int, *, before: bool = False) -> tuple[str, int]:
        """Return a line with at least some letters more of what is wrapped around it, and where it begins in that."""
        parts = [self._text(line)]
        last, missing = line, letters
        while missing > 0 and self._goes_on(last):
            last += 1
            parts.append(self._text(last))
            missing -= len(parts[-1])
        head = ""
        while before and len(head) < letters and line > self.first and self._goes_on(line - 1):
            line -= 1
            head = self._text(line) + head
        return head + "".join(parts), len(head)

    def _goes_on(self, line: int) -> bool:
        return line + 1 < self.end and self.is_wrapped(line)

    def _text(self, line: int) -> str:
        """Return the text of a line, with the blanks at its end that belong to a text that goes on."""
        return self._whole(line) if self._goes_on(line) else self.plain(line)

    def _whole(self, line: int) -> str:
        """Return the text of a line that goes on in the next one, with the blanks at its end that belong to it."""
        screen_line = line - self.top
        if screen_line < 0:
            row = self.terminal.history[len(self.terminal.history) + screen_line]
        else:
            row = self.terminal.grid.rows[screen_line].keep()
        return row.text[:-1] if row.padded else row.text

    def _cells(self, line: int) -> int:
        return sum(run.cells for run in self.runs(line))


def _found(text: str, needle: str) -> list[int]:
    """Return where a text is found; lower case matches any case."""
    if needle == needle.lower():
        lower = text.lower()
        # Some letters become two in lower case: then what is found would not be where it is in the text.
        text = lower if len(lower) == len(text) else "".join(low if len(low := c.lower()) == 1 else c for c in text)
    places = []
    place = text.find(needle)
    while place >= 0:
        places.append(place)
        place = text.find(needle, place + 1)
    return places
