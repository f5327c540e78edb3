"""The style of cells: colors and attributes, and the sequence that sets them (SGR, ECMA-48 8.3.117)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

TRUE = 0x1000000
"""Added to ``0xRRGGBB`` for a color that is not in the palette of 256."""

BOLD, DIM, ITALIC, UNDERLINE, DOUBLE, BLINK, REVERSE, HIDDEN, STRIKE, OVERLINE = (1 << bit for bit in range(10))

_ON = {
    1: BOLD, 2: DIM, 3: ITALIC, 4: UNDERLINE, 5: BLINK, 6: BLINK, 7: REVERSE, 8: HIDDEN, 9: STRIKE, 21: DOUBLE,
    53: OVERLINE,
}  # fmt: skip
_OFF = {22: BOLD | DIM, 23: ITALIC, 24: UNDERLINE | DOUBLE, 25: BLINK, 27: REVERSE, 28: HIDDEN, 29: STRIKE,
        55: OVERLINE}  # fmt: skip


class Pen(NamedTuple):
    """Colors and attributes of a cell.

    ``fg`` and ``bg`` are ``None`` for the terminal's default, 0 to 255 for the palette, or ``TRUE + 0xRRGGBB``.
    ``link`` is the target of a hyperlink, or empty.
    """

    fg: int | None = None
    bg: int | None = None
    flags: int = 0
    link: str = ""


PLAIN = Pen()


@lru_cache(8192)
def same(pen: Pen) -> Pen:
    """Return the shared object for a pen: runs of cells are compared by identity, which is faster."""
    return PLAIN if pen == PLAIN else pen


def sgr(pen: Pen, text: str) -> Pen:
    """Return the pen after ``CSI text m``; unknown parts are ignored."""
    fg, bg, flags, link = pen
    codes = [part.split(":") for part in text.split(";")]
    index = 0
    while index < len(codes):
        code, *sub = codes[index]
        number = _number(code)
        index += 1
        if number == 0:
            fg, bg, flags = None, None, 0
        elif number == 4 and sub:
            style = _number(sub[0])
            flags = flags & ~(UNDERLINE | DOUBLE) | (0 if style == 0 else DOUBLE if style == 2 else UNDERLINE)
        elif number in _ON:
            flags |= _ON[number]
        elif number in _OFF:
            flags &= ~_OFF[number]
        elif 30 <= number <= 37:
            fg = number - 30
        elif 40 <= number <= 47:
            bg = number - 40
        elif 90 <= number <= 97:
            fg = number - 82
        elif 100 <= number <= 107:
            bg = number - 92
        elif number == 39:
            fg = None
        elif number == 49:
            bg = None
        elif number in {38, 48, 58}:
            color, used = _color(sub) if sub else _color([part[0] for part in codes[index : index + 4]])
            index += 0 if sub else used
            if color is not None and number == 38:
                fg = color
            elif color is not None and number == 48:
                bg = color
    return Pen(fg, bg, flags, link)


def _color(parts: list[str]) -> tuple[int | None, int]:
    """Parse the numbers after 38 or 48; return the color and how many numbers it took."""
    kind = _number(parts[0]) if parts else -1
    if kind == 5 and len(parts) >= 2:
        index = _number(parts[1])
        return (index if index <= 255 else None), 2
    if kind == 2 and len(parts) >= 4:
        # With colons, a color space may precede the three numbers.
        red, green, blue = (_number(part) for part in (parts[2:5] if len(parts) >= 5 else parts[1:4]))
        if max(red, green, blue) <= 255:
            return TRUE + (red << 16 | green << 8 | blue), 4
        return None, 4
    return None, len(parts)


def _number(text: str) -> int:
    # Longer numbers have no meaning here, and Python refuses to parse very long ones.
    return int(text) if text and len(text) < 8 else 0 if not text else 1 << 24
