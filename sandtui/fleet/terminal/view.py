"""Reading a terminal: scrollback and screen as one text, whose lines keep their numbers as more comes."""

from __future__ import annotations

from sandtui.fleet.terminal.emulation import Emulation
from sandtui.fleet.terminal.lines import Run, runs_of


class TerminalText:
    """The lines of a terminal. The first line ever is 0; ``first`` is the oldest that is still kept."""

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

    def runs(self, line: int) -> tuple[Run, ...]:
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
            return screen_line < len(rows) and rows[screen_line].wrapped
        place = len(self.terminal.history) + screen_line
        return place >= 0 and not self.terminal.is_alternate and self.terminal.history[place].wrapped

    def copy(self, first: int, last: int) -> str:
        """Return the text of some lines; lines that only the terminal's width has broken are joined."""
        parts = []
        for line in range(max(first, self.first), min(last + 1, self.end)):
            wrapped = self.is_wrapped(line)
            parts.append(self.plain(line) + ("" if wrapped and line < last else "\n"))
        return "".join(parts).rstrip("\n")

    def search(self, needle: str, start: int, step: int) -> int | None:
        """Return the next line with a text, going up (-1) or down (1) from ``start``, round the end once.

        Lower case matches any case; a capital makes it exact.
        """
        if not needle:
            return None
        exact = needle != needle.lower()
        count = self.end - self.first
        for distance in range(1, count + 1):
            line = self.first + (start - self.first + distance * step) % count
            text = self.plain(line)
            if needle in (text if exact else text.lower()):
                return line
        return None
