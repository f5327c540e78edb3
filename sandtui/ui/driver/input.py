"""Parses terminal input into Textual's events.

The bytes are first split into units (text, control sequences, mouse reports, pastes), which are then looked up in
Textual's tables. An unknown unit is dropped: no byte can crash the program or swallow the keys that follow.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator

from textual import constants, events, messages
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import IS_ITERM, XTermParser
from textual.keys import Keys
from textual.message import Message

ESC = 0x1B
ESCAPE_SECONDS = 0.01
"""How long Escape waits for the rest of a sequence, as tmux does by default: terminals send one in one write.

``$ESCDELAY`` changes it."""

SLOW_ESCAPE_SECONDS = 0.15
"""How long Escape waits on a connection that has split a sequence behind it."""

BRACKET_SECONDS = 0.1
"""How long a bracket behind Escape waits: almost every sequence begins so, and nobody types alt and a bracket."""

LATE_SECONDS = 0.3
"""How long after Escape the rest of its sequence may come without being taken for text."""

SEQUENCE_SECONDS = 0.5
"""How long to wait for the rest of a sequence, which a slow connection may split anywhere."""

PASTE_SECONDS = 3.0
"""How long a paste may pause. If its end never arrives, later keys must not count as pasted text."""

LONGEST_SEQUENCE = 1 << 20
"""In bytes; an input method sends text as one control sequence of about six bytes per character."""

MOST_CELLS = 10_000
"""Larger coordinates and sizes are invalid."""

WORD_KEYS = frozenset({"\x1bb", "\x1bf", "\x1b\x7f"})
"""Alt and a key that move or delete by words in a text field."""

BRACKETS = (b"\x1b[", b"\x1b]")

PASTE_START, PASTE_END = b"\x1b[200~", b"\x1b[201~"

_CSI = re.compile(rb"\x1b\[(?P<parameters>[0-?]*)(?P<intermediates>[ -/]*)(?P<final>[@-~])")
_CSI_PREFIX = re.compile(rb"\x1b\[[0-?]*[ -/]*")
_SS3 = re.compile(rb"\x1bO\d*[A-Za-z]")
# Responses to queries. What must follow distinguishes them from alt and a key.
_STRING_START = re.compile(rb"\x1b(?:\]\d{1,4};|P[\d;]*[>+$|!=]|_G)")
_STRING_PREFIX = re.compile(rb"\x1b(?:\]\d{0,4}|P[\d;]*|_)")
# Another sequence ends an unterminated string: keys and reports after it are not part of it.
_STRING_END = re.compile(rb"\x07|\x1b\\|\x9c|(?=\x1b[^\\])")

_KITTY_KEY = re.compile(r"([\d:]*)(?:;([\d:]*))?(?:;([\d:]*))?")
_SGR_MOUSE = re.compile(r"<(\d{1,5});(-?\d{1,5});(-?\d{1,5})")
_URXVT_MOUSE = re.compile(r"(\d{1,5});(\d{1,5});(\d{1,5})")
_MODE_REPORT = re.compile(r"\?(\d{1,5});(\d)")
_SIZE_REPORT = re.compile(r"48;(\d{1,6})(?::[\d:]*)?;(\d{1,6})(?::[\d:]*)?;(\d{1,6})(?::[\d:]*)?;(\d{1,6})(?::[\d:]*)?")
_CURSOR_REPORT = re.compile(r"(\d{1,5});(\d{1,5})")

_RELEASED = "3"
"""The event type of a key release in the kitty protocol."""


class CommittedText(events.Paste):
    """Text in one piece from an input method or the emoji picker: inserted as text, never handled as a key."""


# Widgets handle it like a paste.
CommittedText.handler_name = events.Paste.handler_name


class AltKey(events.Key):
    """Alt and a key, or Escape followed by a key: without the kitty protocol both send the same bytes.

    ``mapped`` is what the pair means in a text field (alt+b moves back a word), ``parts`` are the two keys.
    """

    def __init__(self, key: str, mapped: events.Key | None, parts: tuple[events.Key, ...]) -> None:
        super().__init__(key, None)
        self.mapped = mapped
        self.parts = parts


class InputReader:
    """Turns bytes into events. ``now`` is a monotonic time in seconds."""

    def __init__(self, escape_seconds: float | None = None) -> None:
        self._buffer = bytearray()
        self._paste: bytearray | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tables = XTermParser()
        self._pressed = 0
        self._alone = False
        self._escape_seconds = _escape_seconds() if escape_seconds is None else escape_seconds
        self._given_up, self._given_up_at = b"", 0.0
        self._late = 0
        self.deadline: float | None = None
        """When :meth:`expire` must be called unless more input arrives; None if nothing is incomplete."""

    def feed(self, data: bytes, now: float) -> list[Message]:
        """Return the events that are complete with these bytes."""
        given_up, self._given_up = self._given_up, b""
        if given_up and now - self._given_up_at <= LATE_SECONDS and _continues(given_up + data):
            self._buffer += given_up
            self._late = len(given_up)
        # Alt and a key arrive alone; Escape and a key typed after it may arrive together with others.
        self._alone = not self._buffer and len(data) == 2
        self._buffer += data
        return list(self._read(now))

    def expire(self, now: float) -> list[Message]:
        """Stop waiting for the rest of an incomplete unit once its time is over."""
        if self.deadline is None or now < self.deadline:
            return []
        self.deadline = None
        found: list[Message] = []
        if self._paste is not None:
            pasted, self._paste = self._paste + self._buffer, None
            self._buffer.clear()
            found.append(_pasted(pasted))
        elif self._buffer:
            found += self._give_up(now)
            found += self._read(now)
        found += self._text(self._decoder.decode(b"", final=True))
        self._decoder.reset()
        return found

    def resized(self, size: tuple[int, int], pixels: tuple[int, int] | None) -> None:
        """Set the window size in cells and pixels, to convert mouse reports in pixels."""
        self._tables.terminal_size = size
        self._tables.terminal_pixel_size = pixels
        self._tables.mouse_pixels = pixels is not None

    def _read(self, now: float) -> Iterator[Message]:
        while self._buffer:
            if self._paste is not None:
                end = self._buffer.find(PASTE_END)
                if end < 0:
                    # The end marker may be split.
                    safe = max(0, len(self._buffer) - len(PASTE_END) + 1)
                    self._paste += self._buffer[:safe]
                    del self._buffer[:safe]
                    self.deadline = now + PASTE_SECONDS
                    return
                pasted = self._paste + self._buffer[:end]
                del self._buffer[: end + len(PASTE_END)]
                self._paste = None
                yield _pasted(pasted)
                continue
            if self._buffer[0] != ESC:
                end = self._buffer.find(ESC)
                chunk = bytes(self._buffer if end < 0 else self._buffer[:end])
                del self._buffer[: len(chunk)]
                yield from self._text(self._decoder.decode(chunk, final=end >= 0))
                continue
            length = self._unit()
            if length is None:
                self.deadline = now + self._patience()
                return
            unit = bytes(self._buffer[:length])
            if self._late and not self._comes_late(unit):
                continue
            del self._buffer[:length]
            if unit == PASTE_START:
                self._paste = bytearray()
                self.deadline = now + PASTE_SECONDS
            else:
                yield from self._sequence(unit)
        if self._paste is None:
            # A character may be split too.
            self.deadline = now + SEQUENCE_SECONDS if self._decoder.getstate()[0] else None

    def _patience(self) -> float:
        """Return how long to wait for the rest of the sequence at the start of the buffer."""
        if self._buffer in BRACKETS or (self._late and len(self._buffer) == self._late + 1):
            return BRACKET_SECONDS
        return self._escape_seconds if len(self._buffer) <= 2 else SEQUENCE_SECONDS

    def _comes_late(self, unit: bytes) -> bool:
        """Whether what follows an Escape that was a key already is the rest of a sequence; if not, it is text."""
        late, self._late = self._late, 0
        match = _CSI.fullmatch(unit)
        if match is None or match["parameters"] or unit.decode("ascii") in ANSI_SEQUENCES_KEYS or unit[2:] in b"IO":
            # The connection splits sequences: from now on Escape waits longer.
            self._escape_seconds = max(self._escape_seconds, SLOW_ESCAPE_SECONDS)
            return True
        del self._buffer[:late]
        return False

    def _unit(self) -> int | None:
        """Return the length of the sequence at the start of the buffer; None if it is incomplete."""
        data = self._buffer
        if len(data) < 2:
            return None
        second = data[1]
        if second == ESC:
            return 1
        if second == ord("["):
            return self._control_sequence()
        if second == ord("O"):
            if match := _SS3.match(data):
                return match.end()
            return None if len(data) == 2 or (len(data) < 8 and data[2:].isdigit()) else 2
        if match := _STRING_START.match(data):
            end = _STRING_END.search(data, match.end())
            if end is not None:
                return end.end()
            return None if len(data) < LONGEST_SEQUENCE else len(data)
        prefix = _STRING_PREFIX.match(data)
        if prefix is not None and prefix.end() == len(data):
            return None
        if second >= 0x80:
            # Alt and a character of several bytes.
            width = 2 if second < 0xE0 else 3 if second < 0xF0 else 4
            rest = data[2 : 1 + width]
            wrong = next((index for index, byte in enumerate(rest) if byte & 0xC0 != 0x80), None)
            if wrong is not None:
                return 2 + wrong
            return 1 + width if len(data) > width else None
        return 2

    def _control_sequence(self) -> int | None:
        data = self._buffer
        if len(data) == 2:
            return None
        if data[2] == ord("M"):
            # An X10 mouse report: three raw bytes, which need not be valid text.
            return 6 if len(data) >= 6 else None
        if data[2] == ord("["):
            # The function keys of the Linux console.
            return 4 if len(data) >= 4 else None
        prefix = _CSI_PREFIX.match(data)
        assert prefix is not None
        if prefix[0].endswith(b"$") and prefix[0].decode("ascii") in ANSI_SEQUENCES_KEYS:
            # rxvt ends some keys with a character that precedes the end of other sequences.
            return prefix.end()
        if match := _CSI.match(data):
            return match.end()
        if prefix.end() < len(data):
            # A byte that is invalid in a sequence ends it: the sequence is dropped, the byte is read again.
            return prefix.end()
        return None if len(data) < LONGEST_SEQUENCE else len(data)

    def _give_up(self, now: float) -> list[Message]:
        """Interpret an incomplete sequence as single keys."""
        if self._late:
            # Escape was a key, and what follows is text, unless nobody types it.
            del self._buffer[: len(self._buffer) if _STRING_START.match(self._buffer) else self._late]
            self._late = 0
            return []
        data = bytes(self._buffer)
        if data in (b"\x1b", *BRACKETS):
            self._given_up, self._given_up_at = data, now
        if len(data) == 1:
            self._buffer.clear()
            return [events.Key("escape", "\x1b")]
        if len(data) == 2 or (data[1] in b"O]P_" and not _STRING_START.match(data)):
            del self._buffer[:2]
            return self._sequence(data[:2])
        self._buffer.clear()
        return []

    def _text(self, text: str) -> list[Message]:
        found: list[Message] = []
        for character in text:
            # Drop invalid UTF-8.
            if character != "\N{REPLACEMENT CHARACTER}":
                found += self._keys(character)
        return found

    def _sequence(self, unit: bytes) -> list[Message]:
        try:
            return self._decode(unit)
        except (ValueError, OverflowError, KeyError, IndexError):
            # A number out of range, or parameters that Textual does not expect.
            return []

    def _decode(self, unit: bytes) -> list[Message]:
        if unit == b"\x1b":
            return [events.Key("escape", "\x1b")]
        if unit[:3] == b"\x1b[M" and len(unit) == 6:
            return self._mouse(unit[3] - 32, unit[4] - 32, unit[5] - 32, legacy=True)
        match = _CSI.fullmatch(unit)
        if match is None:
            text = unit.decode("utf-8", "replace")
            if _STRING_START.match(unit) or "\N{REPLACEMENT CHARACTER}" in text:
                return []
            return self._alt(text) if len(text) == 2 else self._keys(text)
        return self._control(
            unit.decode("ascii"),
            match["parameters"].decode("ascii"),
            match["intermediates"].decode("ascii"),
            match["final"].decode("ascii"),
        )

    def _control(self, sequence: str, parameters: str, intermediates: str, final: str) -> list[Message]:
        if not intermediates:
            if not parameters and final in "IO":
                return [events.AppFocus() if final == "I" else events.AppBlur()]
            if final in "Mm":
                return self._mouse_report(parameters, final)
            if final == "t" and (size := _SIZE_REPORT.fullmatch(parameters)):
                return self._size(*map(int, size.groups()))
            if final == "R" and (cursor := _CURSOR_REPORT.fullmatch(parameters)):
                row, column = map(int, cursor.groups())
                return [events.CursorPosition(column - 1, row - 1)]
            if final in "u~ABCDEFHPQRS" and parameters and (key := _KITTY_KEY.fullmatch(parameters)):
                return self._kitty(key[1], key[2] or "", key[3] or "", final)
        elif intermediates == "$" and final == "y" and (mode := _MODE_REPORT.fullmatch(parameters)):
            return self._mode(mode[1], int(mode[2]))
        return self._keys(sequence) if sequence in ANSI_SEQUENCES_KEYS else []

    def _kitty(self, code: str, modifiers: str, text: str, final: str) -> list[Message]:
        """Parse a key of the kitty protocol, or text from an input method."""
        modifier, _, kind = modifiers.partition(":")
        if kind == _RELEASED:
            return []
        characters = [chr(int(part)) for part in text.split(":") if part and int(part) <= 0x10FFFF]
        # A lone surrogate cannot be encoded, and a control character is not text.
        typed = "".join(each for each in characters if each.isprintable() or each in "\u200d\ufe0e\ufe0f\n\t ")
        if len(characters) > 1:
            return [CommittedText(typed)] if typed else []
        number = code.partition(":")[0]
        if (number and not 0 <= int(number) <= 0x10FFFF) or (modifier and int(modifier) > 0x100):
            return []
        if 0xD800 <= int(number or 1) <= 0xDFFF or (characters and not typed):
            return []
        if not number.strip("0") and not characters and final == "u":
            return []
        written = str(ord(characters[0])) if characters else ""
        parameters = f"{number};{modifier};{written}" if written else f"{number};{modifier}" if modifier else number
        return self._keys(f"\x1b[{parameters}{final}")

    def _keys(self, sequence: str) -> list[Message]:
        # Textual's tables of sequences and of single characters.
        return [key for key in self._tables._sequence_to_key_events(sequence) if key.key != Keys.Ignore]

    def _alt(self, text: str) -> list[Message]:
        parts = [key for key in self._keys(text[1]) if isinstance(key, events.Key)]
        if not parts:
            return []
        mapped = next((key for key in self._keys(text) if isinstance(key, events.Key)), None)
        if text not in WORD_KEYS or not self._alone:
            mapped = None
        name = parts[0].key
        if len(name) == 1 and name.isupper():
            name = f"shift+{name.lower()}"
        return [AltKey(f"alt+{name}", mapped, (events.Key("escape", "\x1b"), *parts))]

    def _mouse_report(self, parameters: str, final: str) -> list[Message]:
        if report := _SGR_MOUSE.fullmatch(parameters):
            buttons, column, line = map(int, report.groups())
            return self._mouse(buttons, column, line, released=final == "m")
        if report := _URXVT_MOUSE.fullmatch(parameters):
            buttons, column, line = map(int, report.groups())
            return self._mouse(buttons - 32, column, line, legacy=True)
        return []

    def _mouse(
        self, buttons: int, column: int, line: int, *, released: bool = False, legacy: bool = False
    ) -> list[Message]:
        if legacy and buttons & 3 == 3 and not buttons & 0b1100000:
            # The older reports do not tell which button was released.
            buttons, released = buttons & ~3 | self._pressed, True
        if buttons < 0 or buttons & ~0b1111111 or not (1 <= column <= MOST_CELLS and 1 <= line <= MOST_CELLS):
            return []
        if not released and not buttons & 0b1100000:
            self._pressed = buttons & 3
        event = self._tables.parse_mouse_code(f"\x1b[<{buttons};{column};{line}{'m' if released else 'M'}")
        return [event] if event is not None else []

    def _size(self, height: int, width: int, pixel_height: int, pixel_width: int) -> list[Message]:
        if not (1 <= width <= MOST_CELLS and 1 <= height <= MOST_CELLS):
            return []
        pixels = (pixel_width, pixel_height) if pixel_width and pixel_height else None
        self.resized((width, height), pixels)
        return [events.Resize.from_dimensions((width, height), pixels)]

    @staticmethod
    def _mode(mode: str, setting: int) -> list[Message]:
        if mode == "2026" and setting > 0:
            return [messages.TerminalSupportsSynchronizedOutput()]
        if mode == "2048" and constants.SMOOTH_SCROLL and not IS_ITERM:
            return [messages.InBandWindowResize.from_setting_parameter(setting)]
        return []


def _pasted(data: bytearray) -> events.Paste:
    return events.Paste(data.decode("utf-8", "replace").replace("\x00", ""))


def _continues(data: bytes) -> bool:
    """Whether what came after an Escape may be the rest of its sequence. Vim users type ``O`` and ``P`` behind it."""
    return data[:2] in BRACKETS or _SS3.fullmatch(data) is not None or _STRING_START.match(data) is not None


def _escape_seconds() -> float:
    return constants.ESCAPE_DELAY if os.environ.get("ESCDELAY") else ESCAPE_SECONDS
