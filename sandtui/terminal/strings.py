"""The strings that a program may send its terminal: titles, links, the clipboard and questions about colours.

Everything else is dropped; no colour can be changed.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from sandtui.terminal.colours import spec
from sandtui.terminal.pen import same

if TYPE_CHECKING:
    from sandtui.terminal.emulation import Emulation

LONGEST_TITLE = 200
LONGEST_LINK = 1000
LONGEST_COPY = 64 * 1024
"""Bytes that a program may ask to have copied."""

STRING_END = "\x1b\\"

COLOURS_ASKED = 256
"""Colours that one command may ask for."""

SCHEMES = ("https://", "http://", "mailto:")
"""Links that are kept. Others start programs on the user's machine."""


class Strings:
    """Carries out operating system commands (OSC)."""

    def __init__(self, terminal: Emulation) -> None:
        self._terminal = terminal

    def take(self, text: str, end: str) -> None:
        """Carry out a command. A question is answered with the same ``end``."""
        command, _, value = text.partition(";")
        if command in {"0", "2"}:
            self._terminal.title = _one_line(value[:LONGEST_TITLE])
        elif command == "8":
            self._link(value)
        elif command == "52":
            self._copy(value)
        elif command in {"10", "11", "12"}:
            for number, wanted in enumerate(value.split(";")[:3], int(command)):
                self._tell(str(number), number, wanted, end)
        elif command == "4":
            parts = value.split(";")[: 2 * COLOURS_ASKED]
            for index, wanted in zip(parts[::2], parts[1::2], strict=False):
                if index.isascii() and index.isdecimal() and len(index) <= 3:
                    self._tell(f"4;{int(index)}", int(index), wanted, end)

    def _tell(self, what: str, number: int, wanted: str, end: str) -> None:
        colours = self._terminal.colours() if wanted == "?" else None
        if colours is not None:
            colour = colours.indexed(number) if what.startswith("4;") else colours.special(number)
            if colour is not None:
                self._terminal.reply(f"\x1b]{what};{spec(colour)}{end or STRING_END}")

    def _link(self, value: str) -> None:
        address = value.partition(";")[2]
        grid = self._terminal.grid
        harmless = address.isascii() and address.isprintable() and len(address) <= LONGEST_LINK
        link = address if harmless and address.lower().startswith(SCHEMES) else ""
        if link != grid.pen.link:
            grid.pen = same(grid.pen._replace(link=link))

    def _copy(self, value: str) -> None:
        """Pass a text for the clipboard on; what is in the clipboard is never told."""
        _, _, encoded = value.partition(";")
        if not encoded or encoded == "?":
            return
        try:
            text = base64.b64decode(encoded, validate=True)[:LONGEST_COPY].decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return
        self._terminal.on_clipboard(text)


def _one_line(text: str) -> str:
    """Replace what moves a cursor or turns the direction of writing."""
    return "".join(letter if letter.isprintable() or letter == " " else "\ufffd" for letter in text)
