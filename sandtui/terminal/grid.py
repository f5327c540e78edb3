"""The grid of cells: the cursor, writing, erasing and scrolling, and the lines that have scrolled off."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sandtui.terminal.lines import PADDED, Line, StoredLine
from sandtui.terminal.pen import PLAIN, Pen, same
from sandtui.terminal.rewrap import Point, reflow, stale
from sandtui.terminal.widths import MAX_MARKS, SPECIAL, width_of

TAB = 8


class Grid:
    """One screen. ``history`` receives lines that scroll off the top; the alternate screen has none.

    ``x`` is the column of the cursor; it equals ``width`` after the last column was written, and the next character
    then starts a new line. ``changed`` has the numbers of lines that changed since it was last emptied, and
    ``scrolled`` is set if all may have.
    """

    def __init__(self, width: int, height: int, history: deque[StoredLine] | None = None) -> None:
        self.width, self.height = width, height
        self.history = history
        self.scrolled_off = 0
        """The number of the screen's first line: how many lines went into the history, including dropped ones."""
        self.stale_before = 0
        """Lines of the history with smaller numbers are still wrapped to an earlier width."""
        self.rows = [Line(width) for _ in range(height)]
        self.x = self.y = 0
        self.top, self.bottom = 0, height - 1
        self.pen = PLAIN
        self.autowrap, self.insert, self.origin = True, False, False
        self.tabs = set(range(TAB, width, TAB))
        self.changed: set[int] = set()
        self.scrolled = True

    # Writing

    def write(self, text: str) -> None:
        """Write characters at the cursor."""
        start, line = self.x, self.rows[self.y]
        end = start + len(text)
        special = SPECIAL.search(text)
        if end < self.width and not (special or line.wide or self.insert):
            line.chars[start:end] = text
            line.pens[start:end] = [self.pen] * (end - start)
            if self.pen is not PLAIN:
                line.styled = True
            self.changed.add(self.y)
            self.x = end
            return
        if self.insert or special:
            for char in text:
                self._write_one(char)
            return
        index, rest = 0, len(text)
        while rest:
            if self.x >= self.width:
                self._wrap()
            room = self.width - self.x
            take = rest if rest <= room else room
            if rest > room and not self.autowrap:
                # Without wrapping, the rest goes into the last column, where its last character remains.
                text, index = text[index : index + room - 1] + text[-1], 0
                take = rest = room
            line = self.rows[self.y]
            start, end = self.x, self.x + take
            if line.wide:
                line.split_wide(start, end)
            line.chars[start:end] = text[index : index + take] if take != len(text) else text
            line.pens[start:end] = [self.pen] * take
            if self.pen is not PLAIN:
                line.styled = True
            self.changed.add(self.y)
            self.x = end
            index += take
            rest -= take
        if self.x >= self.width and not self.autowrap:
            self.x = self.width - 1

    def _write_one(self, char: str) -> None:
        cells = width_of(char)
        if cells == 0:
            self._join(char)
        if cells <= 0 or cells > self.width:
            return
        if self.x + cells > self.width:
            if self.autowrap:
                self._wrap()
            else:
                self.x = self.width - cells
        line = self.rows[self.y]
        if self.insert:
            self.insert_chars(cells)
        elif line.wide:
            line.split_wide(self.x, self.x + cells)
        line.put(self.x, char, self.pen)
        if cells == 2:
            line.chars[self.x + 1] = ""
            line.pens[self.x + 1] = self.pen
            line.wide = True
        self.changed.add(self.y)
        self.x += cells
        if self.x >= self.width and not self.autowrap:
            self.x = self.width - 1

    def _join(self, mark: str) -> None:
        """Add a combining mark to the cell before the cursor."""
        line, column = self.rows[self.y], self.x - 1
        if column > 0 and line.chars[column] == "":
            column -= 1
        if column >= 0 and len(line.chars[column]) <= MAX_MARKS:
            line.chars[column] += mark
            self.changed.add(self.y)

    def _wrap(self) -> None:
        if self.autowrap:
            self.rows[self.y].wrapped = True if self.x >= self.width else PADDED
            self.x = 0
            self.line_feed()
        else:
            self.x = self.width - 1

    def write_lines(self, texts: Sequence[str]) -> None:
        """Write whole lines of plain narrow text, each followed by a line break, as in a flood of output.

        The result is that of writing them one by one, but lines that would only scroll through never become cells.
        """
        index = 0
        whole_screen = self.top == 0 and self.bottom == self.height - 1
        fast = whole_screen and self.autowrap and not self.insert and self.pen.bg is None
        fresh = False
        while index < len(texts) and not (fast and fresh):
            self.write(texts[index])
            self.x = 0
            fresh = self.y == self.bottom
            self.line_feed()
            index += 1
        if index == len(texts):
            return
        rows: list[tuple[str, bool]] = []
        width = self.width
        for text in texts[index:]:
            start = 0
            while len(text) - start > width:
                rows.append((text[start : start + width], True))
                start += width
            rows.append((text[start:] if start else text, False))
        # The screen's last line is blank and has the cursor: the first row takes its position.
        surplus = len(rows) + 1 - self.height
        gone = self.rows[: len(rows)] if surplus <= 0 else self.rows[:-1]
        for line in gone:
            self._store(line)
        pen = self.pen
        if surplus > 0 and self.history is not None:
            if pen is PLAIN:
                stored = [
                    StoredLine(text if wrapped else text.rstrip(" "), (), (), wrapped)
                    for text, wrapped in rows[:surplus]
                ]
            else:
                pens = (pen,)
                stored = [
                    StoredLine(text, (len(text),), pens, wrapped) if text else StoredLine("", (), (), wrapped)
                    for text, wrapped in rows[:surplus]
                ]
            self.history.extend(stored)
            self.scrolled_off += surplus
        stay = self.rows[len(gone) : -1]
        for text, wrapped in rows[max(0, surplus) :]:
            line = Line(width)
            line.put(0, text, pen)
            line.wrapped = wrapped
            stay.append(line)
        stay.append(Line(width))
        self.rows = stay
        self.scrolled = True

    # Moving

    def move_to(self, x: int, y: int) -> None:
        """Move the cursor; in origin mode, lines count from the top of the scroll region."""
        low, high = (self.top, self.bottom) if self.origin else (0, self.height - 1)
        self.y = max(low, min(y + (self.top if self.origin else 0), high))
        self.x = max(0, min(x, self.width - 1))

    def move_by(self, columns: int, lines: int) -> None:
        """Move the cursor; it stops at the margins, or at the edges if it is outside of them."""
        self.x = max(0, min(min(self.x, self.width - 1) + columns, self.width - 1))
        if lines < 0:
            self.y = max(self.top if self.y >= self.top else 0, self.y + lines)
        elif lines > 0:
            self.y = min(self.bottom if self.y <= self.bottom else self.height - 1, self.y + lines)

    def line_feed(self) -> None:
        """Move one line down; at the bottom margin, scroll the region up."""
        if self.y == self.bottom:
            self.scroll_up(1)
        elif self.y < self.height - 1:
            self.y += 1

    def reverse_line_feed(self) -> None:
        """Move one line up; at the top margin, scroll the region down."""
        if self.y == self.top:
            self.scroll_down(1)
        elif self.y > 0:
            self.y -= 1

    def tab(self, count: int) -> None:
        """Move to a later tab stop, or back to an earlier one."""
        column = min(self.x, self.width - 1)
        for _ in range(min(abs(count), self.width)):
            stops = [stop for stop in self.tabs if (column < stop < self.width if count > 0 else stop < column)]
            column = (min(stops) if count > 0 else max(stops)) if stops else (self.width - 1 if count > 0 else 0)
        self.x = column

    # Scrolling

    def scroll_up(self, count: int) -> None:
        """Move the lines of the region up; those that leave the top of the screen go into the history."""
        for _ in range(min(count, self.bottom - self.top + 1)):
            line = self.rows.pop(self.top)
            if self.top == 0:
                self._store(line)
            self.rows.insert(self.bottom, self._blank())
        self.scrolled = True

    def scroll_down(self, count: int) -> None:
        """Move the lines of the region down."""
        self._part(self.top, self.bottom)
        for _ in range(min(count, self.bottom - self.top + 1)):
            del self.rows[self.bottom]
            self.rows.insert(self.top, self._blank())
        self.scrolled = True

    def set_margins(self, top: int, bottom: int) -> None:
        """Set the scroll region (first line, last line) and move home; a region of less than two lines is ignored."""
        bottom = min(bottom, self.height - 1)
        if 0 <= top < bottom:
            self.top, self.bottom = top, bottom
            self.move_to(0, 0)

    def insert_lines(self, count: int) -> None:
        """Insert blank lines at the cursor; lines below move down in the region."""
        if self.top <= self.y <= self.bottom:
            self._part(self.y, self.bottom)
            for _ in range(min(count, self.bottom - self.y + 1)):
                del self.rows[self.bottom]
                self.rows.insert(self.y, self._blank())
            self.x = 0
            self.scrolled = True

    def delete_lines(self, count: int) -> None:
        """Delete lines at the cursor; lines below move up in the region."""
        if self.top <= self.y <= self.bottom:
            self._part(self.y, self.bottom)
            for _ in range(min(count, self.bottom - self.y + 1)):
                del self.rows[self.y]
                self.rows.insert(self.bottom, self._blank())
            self.x = 0
            self.scrolled = True

    # Erasing

    def erase(self, y: int, start: int, end: int) -> None:
        """Erase cells of a line with the pen's background."""
        line = self.rows[y]
        start, end = max(0, start), min(end, self.width)
        if start >= end:
            return
        if line.wide:
            line.split_wide(start, end)
        line.put(start, " " * (end - start), self._erased())
        if end == self.width:
            line.wrapped = False
        self.changed.add(y)

    def erase_lines(self, first: int, last: int) -> None:
        """Erase whole lines."""
        for y in range(first, last):
            self.rows[y] = self._blank()
        self.changed.update(range(first, last))

    def insert_chars(self, count: int) -> None:
        """Insert blank cells at the cursor."""
        line, x = self.rows[self.y], min(self.x, self.width - 1)
        count = min(count, self.width - x)
        line.split_wide(x, x)
        line.split_wide(self.width - count, self.width - count)
        line.chars[x:] = [" "] * count + line.chars[x : self.width - count]
        line.pens[x:] = [self._erased()] * count + line.pens[x : self.width - count]
        line.styled = True
        self.changed.add(self.y)

    def delete_chars(self, count: int) -> None:
        """Delete cells at the cursor."""
        line, x = self.rows[self.y], min(self.x, self.width - 1)
        count = min(count, self.width - x)
        line.split_wide(x, x + count)
        line.chars[x:] = line.chars[x + count :] + [" "] * count
        line.pens[x:] = line.pens[x + count :] + [self._erased()] * count
        line.styled, line.wrapped = True, False
        self.changed.add(self.y)

    def fill(self, char: str) -> None:
        """Fill the screen with a character (DECALN)."""
        self.rows = [Line(self.width) for _ in range(self.height)]
        for line in self.rows:
            line.put(0, char * self.width, PLAIN)
        self.scrolled = True

    # Size

    def resize(self, width: int, height: int, others: Sequence[Point] = ()) -> list[Point]:
        """Change the size; return the new positions of some points.

        With a history, lines are rewrapped if the width changes; otherwise they are truncated or padded.
        """
        comes_back = height > self.height and stale(self) > 0
        if self.history is not None and (width != self.width or comes_back):
            (self.x, self.y), *others = reflow(self, width, height, [(self.x, self.y), *others])
        else:
            before = self.y
            self._fit(width, height)
            others = [(min(x, width), max(0, y + self.y - before)) for x, y in others]
        if width > self.width:
            self.tabs |= set(range(-(-self.width // TAB) * TAB, width, TAB)) - {0}
        self.width, self.height = width, height
        self.top, self.bottom = 0, height - 1
        self.y = max(0, min(self.y, height - 1))
        self.scrolled = True
        return [(x, min(y, height - 1)) for x, y in others]

    def _fit(self, width: int, height: int) -> None:
        """Remove or add lines; the line of the cursor stays on the screen."""
        while len(self.rows) > height:
            if self.y < len(self.rows) - 1:
                self.rows.pop()
            else:
                self._store(self.rows.pop(0))
                self.y -= 1
        while len(self.rows) < height:
            if self.history:
                self.rows.insert(0, self.history.pop().line(width))
                self.scrolled_off -= 1
                self.y += 1
            else:
                self.rows.append(Line(width))
        for line in self.rows:
            line.fit(width)
        if width != self.width:
            self.x = min(self.x, width - 1)

    def _part(self, first: int, last: int) -> None:
        """Mark the lines above and below a moved range as not continued."""
        if first > 0:
            self.rows[first - 1].wrapped = False
        self.rows[last].wrapped = False

    def _store(self, line: Line) -> None:
        if self.history is not None:
            self.history.append(line.compact())
            self.scrolled_off += 1

    def _erased(self) -> Pen:
        return PLAIN if self.pen.bg is None else same(Pen(bg=self.pen.bg))

    def _blank(self) -> Line:
        return Line(self.width, self._erased())
