"""Colours in output: of all that can follow an escape, only colours and the like; everything else is made harmless.

Select Graphic Rendition (ECMA-48 8.3.117) is understood with 16, 256 and true colours. Blinking and hidden text are
passed over: one annoys, the other deceives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from sandtui.fleet.text.carriage_returns import COLOUR_CODE, state_span
from sandtui.fleet.text.sanitize import TAB_WIDTH, clean, clean_line

Colour = int | tuple[int, int, int]
"""A number of the palette of 256, or red, green and blue."""

_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike", 21: "underline"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


@dataclass(frozen=True, slots=True)
class Ink:
    """How text looks; None is the colour of the theme."""

    colour: Colour | None = None
    background: Colour | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


PLAIN = Ink()


def ink_after(line: str, ink: Ink) -> Ink:
    """Return how the text after a line looks, when it begins in ``ink``."""
    if "\x1b" not in line:
        return ink
    # Most colours are taken back at the end of their line: what comes before the last of that says nothing.
    start = max(line.rfind("\x1b[0m"), line.rfind("\x1b[m"))
    if start >= 0:
        ink, line = PLAIN, line[start + 3 :]
    for match in COLOUR_CODE.finditer(line):
        if match[2] == "m":
            ink = _changed(ink, match[1])
    return ink


def styled(line: str, ink: Ink = PLAIN) -> list[tuple[str, Ink]]:
    """Return the pieces of one line, each safe to draw; ``ink`` is how it begins.

    A carriage return rewrites the line, as a terminal would show it; tabs are expanded.
    """
    if "\x1b" not in line:
        text = clean_line(line)
        return [(text, ink)] if text else []
    return list(_styled(line, ink))


@lru_cache(maxsize=1024)
def _styled(line: str, ink: Ink) -> tuple[tuple[str, Ink], ...]:
    start, end = state_span(line)
    if start:
        ink = ink_after(line[:start], ink)
    line = line[start:end]
    pieces: list[tuple[str, Ink]] = []
    column = place = 0
    for match in [*COLOUR_CODE.finditer(line), None]:
        text = line[place : match.start() if match else len(line)]
        if text:
            shown = clean(_expanded(text, column))
            column += len(shown)
            if pieces and pieces[-1][1] == ink:
                pieces[-1] = (pieces[-1][0] + shown, ink)
            else:
                pieces.append((shown, ink))
        if match:
            place = match.end()
            if match[2] == "m":
                ink = _changed(ink, match[1])
    return tuple(pieces)


def _expanded(text: str, column: int) -> str:
    if "\t" not in text:
        return text
    return (" " * (column % TAB_WIDTH) + text).expandtabs(TAB_WIDTH)[column % TAB_WIDTH :]


def _changed(ink: Ink, parameters: str) -> Ink:
    codes: list[int] = []
    for part in parameters.split(";"):
        if ":" in part:
            ink = _with_parts(_in_order(ink, codes), part)
            codes = []
        else:
            codes.append(_number(part))
    return _in_order(ink, codes)


def _with_parts(ink: Ink, parameter: str) -> Ink:
    """Return the ink after one parameter with parts, such as ``38:2::255:0:0`` or ``4:3``."""
    code, kind, *rest = map(_number, parameter.split(":"))
    if code == 4:
        return replace(ink, underline=kind != 0)
    if code in {38, 48} and kind in {2, 5}:
        # Between the kind and the three colours there may be the number of a colour space.
        colour, _ = _long_colour([kind, *rest[-3:]] if kind == 2 else [kind, *rest], 0)
        if colour is not None:
            return replace(ink, colour=colour) if code == 38 else replace(ink, background=colour)
    return ink


def _in_order(ink: Ink, codes: list[int]) -> Ink:
    place = 0
    while place < len(codes):
        code = codes[place]
        place += 1
        if code == 0:
            ink = PLAIN
        elif code in _ON:
            ink = replace(ink, **{_ON[code]: True})
        elif code in _OFF:
            ink = replace(ink, **dict.fromkeys(_OFF[code], False))
        elif code in {38, 48}:
            colour, place = _long_colour(codes, place)
            if colour is not None:
                ink = replace(ink, colour=colour) if code == 38 else replace(ink, background=colour)
        else:
            ink = _short_colour(ink, code)
    return ink


def _short_colour(ink: Ink, code: int) -> Ink:
    if 30 <= code <= 37:
        return replace(ink, colour=code - 30)
    if 90 <= code <= 97:
        return replace(ink, colour=code - 82)
    if 40 <= code <= 47:
        return replace(ink, background=code - 40)
    if 100 <= code <= 107:
        return replace(ink, background=code - 92)
    if code == 39:
        return replace(ink, colour=None)
    return replace(ink, background=None) if code == 49 else ink


def _long_colour(codes: list[int], place: int) -> tuple[Colour | None, int]:
    kind = codes[place] if place < len(codes) else -1
    if kind == 5 and place + 1 < len(codes):
        number = codes[place + 1]
        return (number if 0 <= number <= 255 else None), place + 2
    if kind == 2 and place + 3 < len(codes):
        red, green, blue = codes[place + 1 : place + 4]
        fits = all(0 <= part <= 255 for part in (red, green, blue))
        return ((red, green, blue) if fits else None), place + 4
    return None, len(codes)


def _number(text: str) -> int:
    return int(text) if text and len(text) < 6 else 0 if not text else -1
