"""The strings that a program may send to its terminal: titles, links, the clipboard and queries for colors.

All others are ignored; colors cannot be changed.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from sandtui.terminal.colors import spec
from sandtui.terminal.pen import same

if TYPE_CHECKING:
    from sandtui.terminal.emulation import Emulation

MAX_TITLE = 200
MAX_LINK = 1000
MAX_COPY = 64 * 1024
"""The most bytes that a program may copy to the clipboard."""

STRING_END = "\x1b\\"

COLORS_ASKED = 256
"""The most colors in one query."""

SCHEMES = ("https://", "http://", "mailto:")
"""The schemes of supported links. Others start programs on the user's machine."""


class Strings:
    """Executes operating system commands (OSC)."""

    def __init__(self, terminal: Emulation) -> None:
        self._terminal = terminal

    def take(self, text: str, end: str) -> None:
        """Execute a command. The reply to a query has the same ``end``."""
        command, _, value = text.partition(";")
        if command in {"0", "2"}:
            self._terminal.title = _one_line(value[:MAX_TITLE])
        elif command == "8":
            self._link(value)
        elif command == "52":
            self._copy(value)
        elif command in {"10", "11", "12"}:
            for number, wanted in enumerate(value.split(";")[:3], int(command)):
                self._reply_color(str(number), number, wanted, end)
        elif command == "4":
            parts = value.split(";")[: 2 * COLORS_ASKED]
            for index, wanted in zip(parts[::2], parts[1::2], strict=False):
                if index.isascii() and index.isdecimal() and len(index) <= 3:
                    self._reply_color(f"4;{int(index)}", int(index), wanted, end)

    def _reply_color(self, what: str, number: int, wanted: str, end: str) -> None:
        colors = self._terminal.colors() if wanted == "?" else None
        if colors is not None:
            color = colors.indexed(number) if what.startswith("4;") else colors.special(number)
            if color is not None:
                self._terminal.reply(f"\x1b]{what};{spec(color)}{end or STRING_END}")

    def _link(self, value: str) -> None:
        address = value.partition(";")[2]
        grid = self._terminal.grid
        harmless = address.isascii() and address.isprintable() and len(address) <= MAX_LINK
        link = address if harmless and address.lower().startswith(SCHEMES) else ""
        if link != grid.pen.link:
            grid.pen = same(grid.pen._replace(link=link))

    def _copy(self, value: str) -> None:
        """Pass text to the clipboard; a query for its content is never answered."""
        _, _, encoded = value.partition(";")
        if not encoded or encoded == "?":
            return
        try:
            text = base64.b64decode(encoded, validate=True)[:MAX_COPY].decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return
        self._terminal.on_clipboard(text)


def _one_line(text: str) -> str:
    """Replace characters that move the cursor or change the text direction."""
    return "".join(letter if letter.isprintable() or letter == " " else "\ufffd" for letter in text)
