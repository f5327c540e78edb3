"""The grid of cells: where the cursor is, what is written, erased and scrolled, and what has scrolled away."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sandtui.terminal.lines import PADDED, Kept, Line
from sandtui.terminal.pen import PLAIN, Pen, same
from sandtui.terminal.rewrap import Point, reflow, stale
from sandtui.terminal.widths import MARKS_KEPT, SPECIAL, width_of

TAB = 8


class Grid:
    """One screen. ``history`` takes what scrolls off its top; the alternate screen has none.

    ``x`` is the cursor's column; it equals ``width`` when the last column was just written and the next character
    begins a new line. ``changed`` holds the numbers of lines that look other than when it was last emptied, and
    ``scrolled`` says that all may.
    """

    def __init__(self, width: int, height: int, history: deque[Kept] | None = None) -> None:
        self.width, self.height = width, height
        self.history = history
        self.kept = 0
        """The number of the first line on the screen: how many went into the history, dropped ones included."""
        self.stale_before = 0
        """Lines in the history that have smaller numbers are still wrapped to a width of before."""
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
        place, rest = 0, len(text)
        while rest:
            if self.x >= self.width:
                self._wrap()
            room = self.width - self.x
            take = rest if rest <= room else room
            if rest > room and not self.autowrap:
                # Without wrapping all that follows lands in the last column, and its last character stays there.
                text, place = text[place : place + room - 1] + text[-1], 0
                take = rest = room
            line = self.rows[self.y]
            start, end = self.x, self.x + take
            if line.wide:
                line.split_wide(start, end)
            line.chars[start:end] = text[place : place + take] if take != len(text) else text
            line.pens[start:end] = [self.pen] * take
            if self.pen is not PLAIN:
                line.styled = True
            self.changed.add(self.y)
            self.x = end
            place += take
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
        line, place = self.rows[self.y], self.x - 1
        if place > 0 and line.chars[place] == "":
            place -= 1
        if place >= 0 and len(line.chars[place]) <= MARKS_KEPT:
            line.chars[place] += mark
            self.changed.add(self.y)

    def _wrap(self) -> None:
        if self.autowrap:
            self.rows[self.y].wrapped = True if self.x >= self.width else PADDED
            self.x = 0
            self.line_feed()
        else:
            self.x = self.width - 1

    def write_lines(self, texts: Sequence[str]) -> None:
        """Write whole lines of harmless narrow text, each followed by a line break: what floods are made of.

        The same as writing them one by one, but those that would only scroll by never become cells.
        """
        place = 0
        whole_screen = self.top == 0 and self.bottom == self.height - 1
        fast = whole_screen and self.autowrap and not self.insert and self.pen.bg is None
        fresh = False
        while place < len(texts) and not (fast and fresh):
            self.write(texts[place])
            self.x = 0
            fresh = self.y == self.bottom
            self.line_feed()
            place += 1
        if place == len(texts):
            return
        rows: list[tuple[str, bool]] = []
        width = self.width
        for text in texts[place:]:
            start = 0
            while len(text) - start > width:
                rows.append((text[start : start + width], True))
                start += width
            rows.append((text[start:] if start else text, False))
        # The last line of the screen is blank and the cursor stands in it: its place is taken by the first row.
        surplus = len(rows) + 1 - self.height
        gone = self.rows[: len(rows)] if surplus <= 0 else self.rows[:-1]
        for line in gone:
            self._keep(line)
        pen = self.pen
        if surplus > 0 and self.history is not None:
            if pen is PLAIN:
                kept = [
                    Kept(text if wrapped else text.rstrip(" "), (), (), wrapped) for text, wrapped in rows[:surplus]
                ]
            else:
                pens = (pen,)
                kept = [
                    Kept(text, (len(text),), pens, wrapped) if text else Kept("", (), (), wrapped)
                    for text, wrapped in rows[:surplus]
                ]
            self.history.extend(kept)
            self.kept += surplus
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
        """Put the cursor somewhere; with origin mode lines count from the top of the scroll region."""
        low, high = (self.top, self.bottom) if self.origin else (0, self.height - 1)
        self.y = max(low, min(y + (self.top if self.origin else 0), high))
        self.x = max(0, min(x, self.width - 1))

    def move_by(self, columns: int, lines: int) -> None:
        """Move the cursor; it stops at the margins, or at the edges when it is outside of them."""
        self.x = max(0, min(min(self.x, self.width - 1) + columns, self.width - 1))
        if lines < 0:
            self.y = max(self.top if self.y >= self.top else 0, self.y + lines)
        elif lines > 0:
            self.y = min(self.bottom if self.y <= self.bottom else self.height - 1, self.y + lines)

    def line_feed(self) -> None:
        """Go one line down; at the bottom margin the region scrolls."""
        if self.y == self.bottom:
            self.scroll_up(1)
        elif self.y < self.height - 1:
            self.y += 1

    def reverse_line_feed(self) -> None:
        """Go one line up; at the top margin the region scrolls down."""
        if self.y == self.top:
            self.scroll_down(1)
        elif self.y > 0:
            self.y -= 1

    def tab(self, count: int) -> None:
        """Go to the next tab stop, or back to the one before."""
        place = min(self.x, self.width - 1)
        for _ in range(min(abs(count), self.width)):
            stops = [stop for stop in self.tabs if (place < stop < self.width if count > 0 else stop < place)]
            place = (min(stops) if count > 0 else max(stops)) if stops else (self.width - 1 if count > 0 else 0)
        self.x = place

    # Scrolling

    def scroll_up(self, count: int) -> None:
        """Move the region's lines up; what leaves the top of the screen goes into the history."""
        for _ in range(min(count, self.bottom - self.top + 1)):
            line = self.rows.pop(self.top)
            if self.top == 0:
                self._keep(line)
            self.rows.insert(self.bottom, self._blank())
        self.scrolled = True

    def scroll_down(self, count: int) -> None:
        """Move the region's lines down."""
        self._part(self.top, self.bottom)
        for _ in range(min(count, self.bottom - self.top + 1)):
            del self.rows[self.bottom]
            self.rows.insert(self.top, self._blank())
        self.scrolled = True

    def set_margins(self, top: int, bottom: int) -> None:
        """Set the scroll region (first line, last line) and go home; a region of less than two lines is no change."""
        bottom = min(bottom, self.height - 1)
        if 0 <= top < bottom:
            self.top, self.bottom = top, bottom
            self.move_to(0, 0)

    def insert_lines(self, count: int) -> None:
        """Push the cursor's line and those below it down, inside the region."""
        if self.top <= self.y <= self.bottom:
            self._part(self.y, self.bottom)
            for _ in range(min(count, self.bottom - self.y + 1)):
                del self.rows[self.bottom]
                self.rows.insert(self.y, self._blank())
            self.x = 0
            self.scrolled = True

    def delete_lines(self, count: int) -> None:
        """Take the cursor's line and those below it out, inside the region."""
        if self.top <= self.y <= self.bottom:
            self._part(self.y, self.bottom)
            for _ in range(min(count, self.bottom - self.y + 1)):
                del self.rows[self.y]
                self.rows.insert(self.bottom, self._blank())
            self.x = 0
            self.scrolled = True

    # Erasing

    def erase(self, y: int, start: int, end: int) -> None:
        """Blank some cells of a line, in the pen's background."""
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
        """Blank whole lines."""
        for y in range(first, last):
            self.rows[y] = self._blank()
        self.changed.update(range(first, last))

    def insert_chars(self, count: int) -> None:
        """Push what is at and right of the cursor to the right."""
        line, x = self.rows[self.y], min(self.x, self.width - 1)
        count = min(count, self.width - x)
        line.split_wide(x, x)
        line.split_wide(self.width - count, self.width - count)
        line.chars[x:] = [" "] * count + line.chars[x : self.width - count]
        line.pens[x:] = [self._erased()] * count + line.pens[x : self.width - count]
        line.styled = True
        self.changed.add(self.y)

    def delete_chars(self, count: int) -> None:
        """Pull what is right of the cursor to the left."""
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
        """Change the size; return where some other points are now.

        With a history lines are wrapped anew when the width changes, else cut or filled up.
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
        """Take lines away or add some; the cursor's line stays on the screen."""
        while len(self.rows) > height:
            if self.y < len(self.rows) - 1:
                self.rows.pop()
            else:
                self._keep(self.rows.pop(0))
                self.y -= 1
        while len(self.rows) < height:
            if self.history:
                self.rows.insert(0, self.history.pop().line(width))
                self.kept -= 1
                self.y += 1
            else:
                self.rows.append(Line(width))
        for line in self.rows:
            line.fit(width)
        if width != self.width:
            self.x = min(self.x, width - 1)

    def _part(self, first: int, last: int) -> None:
        """Lines are moved between these two: what is above and below goes on in none of them any more."""
        if first > 0:
            self.rows[first - 1].wrapped = False
        self.rows[last].wrapped = False

    def _keep(self, line: Line) -> None:
        if self.history is not None:
            self.history.append(line.keep())
            self.kept += 1

    def _erased(self) -> Pen:
        return PLAIN if self.pen.bg is None else same(Pen(bg=self.pen.bg))

    def _blank(self) -> Line:
        return Line(self.width, self._erased())
