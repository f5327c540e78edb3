"""A terminal without a window: it takes bytes, and has a grid of cells, a title, requests and replies.

No sequence that a program writes leaves this module. Queries are answered here or ignored. Of the strings, only titles,
links, the clipboard and queries for colors have an effect (OSC 0, 2, 8, 52; 4, 10 to 12); other commands, DCS, APC, PM
and SOS have none. The parser is a regular expression over whole pieces of text, since a pure Python emulation spends
its time on single characters.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable

from sandtui.terminal.colors import Colors
from sandtui.terminal.csi import CONTROLS
from sandtui.terminal.grid import Grid
from sandtui.terminal.lines import StoredLine
from sandtui.terminal.modes import Modes
from sandtui.terminal.pen import PLAIN, Pen, same, sgr
from sandtui.terminal.rewrap import Settling
from sandtui.terminal.strings import Strings
from sandtui.terminal.widths import SPECIAL

HISTORY_LINES = 10_000
MAX_SIDE = 1000
MAX_CONTROL = 256
"""The most characters of a control sequence; no program needs longer ones."""

MAX_STRING = 128 * 1024
"""The most characters of a buffered string, for the clipboard. Longer ones are discarded as they arrive."""

MAX_REPLIES = 64 * 1024
MAX_PENS = 4096

_TEXT = r"[^\x00-\x1f\x7f-\x9f]"
_TOKEN = re.compile(
    rf"((?:{_TEXT}*\r\n){{4,}}+)"  # 1: whole lines
    rf"|({_TEXT}++)"  # 2: text
    r"|\x1b\[([0-9:;]*+)m"  # 3: colors
    r"|\x1b\[([\x00-\x17\x19\x1c-\x3f\x7f]*+)([@-~])"  # 4, 5: a control sequence
    r"|([\x00-\x17\x19\x1c-\x1f\x7f-\x9f])"  # 6: a control
    r"|\x1b([ -/]*+)([0-OQ-WYZ\\`-~])"  # 7, 8: an escape sequence, but for those that begin strings
    r"|\x1b\]([^\x07\x18\x1a\x1b]*+)(\x1b\\|\x07|\x18|\x1a|(?=\x1b[^\\]))"  # 9, 10: a command and how it ends
    r"|(\x1b[P^_X][^\x18\x1a\x1b]*+(?:\x1b\\|\x18|\x1a|(?=\x1b[^\\])))",  # 11: another string
    re.DOTALL,
)
_UNFINISHED = re.compile(
    r"\x1b(?:[ -/]*|\[[\x00-\x17\x19\x1c-\x3f\x7f]*|\][^\x07\x18\x1a\x1b]*\x1b?|[P^_X][^\x18\x1a\x1b]*\x1b?)\Z"
)
_BROKEN = re.compile(r"\x1b(?:\[[\x00-\x17\x19\x1c-\x3f\x7f]*|[ -/]*)[\x18\x1a]?")
_COMMAND_END, _STRING_END = re.compile(r"[\x07\x18\x1a\x1b]"), re.compile(r"[\x18\x1a\x1b]")
_INNER_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_STRINGS = frozenset("]P^_X")
_GRAPHICS = {
    ord(char): graphic
    for char, graphic in zip("`abcdefghijklmnopqrstuvwxyz{|}~_", "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£· ", strict=True)
}


class Emulation:
    """A terminal of some size.

    ``replies`` are the bytes to send back to the program, ``title`` is its title (not safe to draw), and ``bells`` the
    number of bells. ``on_clipboard`` is called with text that it copies. ``colors`` returns the colors for replies to
    queries; if it returns None, they are not answered.
    """

    main: Grid
    alternate: Grid | None
    grid: Grid
    modes: Modes
    title: str

    def __init__(self, width: int = 80, height: int = 24, history: int = HISTORY_LINES) -> None:
        width, height = _side(width), _side(height)
        self.history: deque[StoredLine] = deque(maxlen=history)
        self.on_clipboard: Callable[[str], None] = lambda _: None
        self.colors: Callable[[], Colors | None] = lambda: None
        self.replies = bytearray()
        self.bells = 0
        self.strings = Strings(self)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._in_string = ""
        self._pens: dict[tuple[Pen, str], Pen] = {}
        self._build(width, height)

    def _build(self, width: int, height: int) -> None:
        self.main = Grid(width, height, self.history)
        self.alternate = None
        self.grid = self.main
        self.modes = Modes()
        self.title = ""
        self._charsets, self._charset = ["B", "B"], 0
        self._saved: dict[bool, tuple[int, int, Pen, bool, list[str], int]] = {}
        self._last = ""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self.grid.width, self.grid.height

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and line of the cursor."""
        return min(self.grid.x, self.grid.width - 1), self.grid.y

    @property
    def is_alternate(self) -> bool:
        """Whether the program uses the alternate screen, which has no scrollback."""
        return self.grid is not self.main

    @property
    def unfinished(self) -> bytes:
        """The beginning of a sequence or character whose rest has not arrived."""
        begun = f"\x1b{self._in_string}" if self._in_string else ""
        return (begun + self._rest).encode() + self._decoder.getstate()[0]

    def feed(self, data: bytes) -> None:
        """Process output of the program: any bytes, split anywhere."""
        text = self._decoder.decode(data)
        if self._rest:
            text, self._rest = self._rest + text, ""
        index, end = 0, len(text)
        if self._in_string:
            index = self._skip_string(text)
        while index < end:
            index = self._parse(text, index)
            if index < end:
                index = self._unfinished(text, index)

    def resize(self, width: int, height: int) -> None:
        """Change the size; 1 to 1000 cells each way.

        The lines of the main screen are rewrapped, with the part of the scrollback that becomes visible; the rest is
        rewrapped by :meth:`settling`.
        """
        width, height = _side(width), _side(height)
        saved = self._saved.get(False)
        moved = self.main.resize(width, height, [saved[:2]] if saved is not None else [])
        if saved is not None:
            self._saved[False] = (*moved[0], *saved[2:])
        if self.alternate is not None:
            self.alternate.resize(width, height)

    def settling(self) -> Settling:
        """Return the task that rewraps the rest of the scrollback to the current width."""
        return Settling(self.main)

    def reply(self, text: str) -> None:
        """Queue a reply to the program; if it never reads replies, further ones are discarded."""
        if len(self.replies) < MAX_REPLIES:
            self.replies += text.encode()

    def take_replies(self) -> bytes:
        """Return the queued replies and clear the queue."""
        replies = bytes(self.replies)
        self.replies.clear()
        return replies

    # Parsing

    def _parse(self, text: str, index: int) -> int:
        """Process all complete tokens from an index; return the index where they end."""
        pens = self._pens
        for match in iter(_TOKEN.scanner(text, index).match, None):  # type: ignore[attr-defined] # untyped
            kind = match.lastindex
            index = match.end()
            if kind == 2:
                self._write(match[2])
            elif kind == 3:
                grid = self.grid
                key = (grid.pen, match[3])
                pen = pens.get(key)
                if pen is None:
                    if len(pens) >= MAX_PENS:
                        pens.clear()
                    pen = pens[key] = same(sgr(*key))
                grid.pen = pen
            elif kind == 5:
                self._control_sequence(match[4], match[5])
            elif kind == 6:
                self._control(match[6])
            elif kind == 1:
                block = match[1]
                if self._charsets[self._charset] == "B" and not SPECIAL.search(block.replace("\r\n", "")):
                    self.grid.write_lines(block.split("\r\n")[:-1])
                else:
                    for line in block.split("\r\n")[:-1]:
                        if line:
                            self._write(line)
                        self._control("\r")
                        self._control("\n")
            elif kind == 8:
                self._escape(match[7], match[8])
            elif kind == 10 and match[10] not in {"\x18", "\x1a"}:
                self.strings.take(match[9], match[10])
        return index

    def _unfinished(self, text: str, index: int) -> int:
        """Buffer text that may become a sequence and skip what cannot; return the index to continue at."""
        if not _UNFINISHED.match(text, index):
            # An escape that starts nothing, or a sequence that another control interrupts.
            broken = _BROKEN.match(text, index)
            return broken.end() if broken is not None else index + 1
        kind, length = text[index + 1 : index + 2], len(text) - index
        if kind in _STRINGS and (kind != "]" or length > MAX_STRING):
            self._in_string = kind
            self._rest = "\x1b" if text.endswith("\x1b") and length > 1 else ""
        elif kind in _STRINGS or length <= MAX_CONTROL:
            self._rest = text[index:]
        return len(text)

    def _skip_string(self, text: str) -> int:
        """Skip text of a string that is not buffered; return the index where it ends."""
        end = (_COMMAND_END if self._in_string == "]" else _STRING_END).search(text)
        if end is None:
            return len(text)
        if end[0] == "\x1b" and end.end() == len(text):
            self._rest = "\x1b"
            return len(text)
        self._in_string = ""
        if end[0] == "\x1b":
            return end.end() + 1 if text[end.end()] == "\\" else end.start()
        return end.end()

    def _write(self, text: str) -> None:
        if self._charsets[self._charset] == "0":
            text = text.translate(_GRAPHICS)
        self._last = text
        self.grid.write(text)

    def _control(self, char: str) -> None:
        grid = self.grid
        if char == "\n" or char == "\x0b" or char == "\x0c":
            if self.modes.newline:
                grid.x = 0
            grid.line_feed()
        elif char == "\r":
            grid.x = 0
        elif char == "\b":
            grid.x = max(0, min(grid.x, grid.width - 1) - 1)
        elif char == "\t":
            grid.tab(1)
        elif char == "\x07":
            self.bells += 1
        elif char == "\x0e" or char == "\x0f":
            self._charset = 1 if char == "\x0e" else 0

    def _control_sequence(self, middle: str, final: str) -> None:
        if len(middle) > MAX_CONTROL:
            return
        inner = _INNER_CONTROLS.findall(middle)
        if inner:
            # Controls inside a sequence are executed first, as in real terminals.
            for char in inner:
                self._control(char)
            middle = _INNER_CONTROLS.sub("", middle)
            if final == "m" and not middle.strip("0123456789:;"):
                self.grid.pen = same(sgr(self.grid.pen, middle))
                return
        private = middle[0] if middle and middle[0] in "<=>?" else ""
        digits = middle[len(private) :].rstrip(" !\"#$%&'()*+,-./")
        intermediate = middle[len(private) + len(digits) :]
        handler = CONTROLS.get(private + intermediate + final)
        if handler is not None:
            parts = digits.replace(":", ";").split(";") if digits else []
            if all(not part or part.isdecimal() for part in parts):
                handler(self, [min(int(part[:6] or 0), 99_999) for part in parts])

    def _escape(self, intermediate: str, final: str) -> None:
        grid = self.grid
        if intermediate in {"(", ")"}:
            self._charsets["()".index(intermediate)] = "0" if final == "0" else "B"
        elif intermediate == "#" and final == "8":
            grid.fill("E")
        elif intermediate:
            return
        elif final == "D":
            grid.line_feed()
        elif final == "E":
            grid.x = 0
            grid.line_feed()
        elif final == "H":
            grid.tabs.add(min(grid.x, grid.width - 1))
        elif final == "M":
            grid.reverse_line_feed()
        elif final == "7":
            self.save_cursor()
        elif final == "8":
            self.restore_cursor()
        elif final == "c":
            self._build(*self.size)
        elif final in {"=", ">"}:
            self.modes.application_keypad = final == "="

    # Sequences that affect more than the grid

    def save_cursor(self) -> None:
        """Save the position and the pen of the cursor (DECSC), for each screen separately."""
        grid = self.grid
        self._saved[self.is_alternate] = (grid.x, grid.y, grid.pen, grid.origin, [*self._charsets], self._charset)

    def restore_cursor(self) -> None:
        """Restore the saved cursor (DECRC), or move it home."""
        grid = self.grid
        saved = self._saved.get(self.is_alternate, (0, 0, PLAIN, False, ["B", "B"], 0))
        x, y, grid.pen, grid.origin, charsets, self._charset = saved
        grid.x, grid.y = min(x, grid.width), min(y, grid.height - 1)
        self._charsets = [*charsets]

    def set_alternate(self, on: bool, *, clear: bool) -> None:
        """Switch to the alternate screen, or back to the main one."""
        if on == self.is_alternate:
            return
        old = self.grid
        if on:
            if self.alternate is None or clear:
                self.alternate = Grid(old.width, old.height)
            self.grid = self.alternate
        else:
            self.grid = self.main
        new = self.grid
        new.x, new.y, new.pen = old.x, old.y, old.pen
        new.autowrap, new.insert, new.origin = old.autowrap, old.insert, old.origin
        new.scrolled = True

    def soft_reset(self) -> None:
        """Reset what a program may have set (DECSTR)."""
        grid = self.grid
        grid.pen, grid.origin, grid.insert, grid.autowrap = PLAIN, False, False, True
        grid.top, grid.bottom = 0, grid.height - 1
        self.modes.application_cursor = self.modes.application_keypad = False
        self.modes.cursor_visible = True
        self._charsets, self._charset = ["B", "B"], 0
        self._saved.pop(self.is_alternate, None)

    def repeat(self, count: int) -> None:
        """Repeat the last character (REP)."""
        if self._last:
            self.grid.write(self._last[-1] * min(count, self.grid.width * self.grid.height))


def _side(cells: int) -> int:
    return max(1, min(cells, MAX_SIDE))
