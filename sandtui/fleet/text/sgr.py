"""Colors in output: interprets color codes only, and makes all other escape sequences harmless.

Select Graphic Rendition (ECMA-48 8.3.117) with 16, 256 and true colors. Blinking and hidden text are ignored: one
annoys, the other deceives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from sandtui.fleet.text.carriage_returns import COLOR_CODE, state_span
from sandtui.fleet.text.sanitize import TAB_WIDTH, clean, clean_line

InkColor = int | tuple[int, int, int]
"""An index into the palette of 256 colors, or red, green and blue."""

_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike", 21: "underline"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


@dataclass(frozen=True, slots=True)
class Ink:
    """The appearance of text; None is the color of the theme."""

    color: InkColor | None = None
    background: InkColor | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


PLAIN = Ink()


def ink_after(line: str, ink: Ink) -> Ink:
    """Return the ink at the end of a line that starts with ``ink``."""
    if "\x1b" not in line:
        return ink
    # Most colors are reset at the end of their line: nothing before the last reset matters.
    start = max(line.rfind("\x1b[0m"), line.rfind("\x1b[m"))
    if start >= 0:
        ink, line = PLAIN, line[start + 3 :]
    for match in COLOR_CODE.finditer(line):
        if match[2] == "m":
            ink = _changed(ink, match[1])
    return ink


def styled(line: str, ink: Ink = PLAIN) -> list[tuple[str, Ink]]:
    """Return the pieces of a line, each safe to draw; ``ink`` is its initial ink.

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
    column = index = 0
    for match in [*COLOR_CODE.finditer(line), None]:
        text = line[index : match.start() if match else len(line)]
        if text:
            shown = clean(_expanded(text, column))
            column += len(shown)
            if pieces and pieces[-1][1] == ink:
                pieces[-1] = (pieces[-1][0] + shown, ink)
            else:
                pieces.append((shown, ink))
        if match:
            index = match.end()
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
    """Return the ink after a parameter with parts, such as ``38:2::255:0:0`` or ``4:3``."""
    code, kind, *rest = map(_number, parameter.split(":"))
    if code == 4:
        return replace(ink, underline=kind != 0)
    if code in {38, 48} and kind in {2, 5}:
        # Between the kind and the three components there may be a color space.
        color, _ = _long_color([kind, *rest[-3:]] if kind == 2 else [kind, *rest], 0)
        if color is not None:
            return replace(ink, color=color) if code == 38 else replace(ink, background=color)
    return ink


def _in_order(ink: Ink, codes: list[int]) -> Ink:
    index = 0
    while index < len(codes):
        code = codes[index]
        index += 1
        if code == 0:
            ink = PLAIN
        elif code in _ON:
            ink = replace(ink, **{_ON[code]: True})
        elif code in _OFF:
            ink = replace(ink, **dict.fromkeys(_OFF[code], False))
        elif code in {38, 48}:
            color, index = _long_color(codes, index)
            if color is not None:
                ink = replace(ink, color=color) if code == 38 else replace(ink, background=color)
        else:
            ink = _short_color(ink, code)
    return ink


def _short_color(ink: Ink, code: int) -> Ink:
    if 30 <= code <= 37:
        return replace(ink, color=code - 30)
    if 90 <= code <= 97:
        return replace(ink, color=code - 82)
    if 40 <= code <= 47:
        return replace(ink, background=code - 40)
    if 100 <= code <= 107:
        return replace(ink, background=code - 92)
    if code == 39:
        return replace(ink, color=None)
    return replace(ink, background=None) if code == 49 else ink


def _long_color(codes: list[int], index: int) -> tuple[InkColor | None, int]:
    kind = codes[index] if index < len(codes) else -1
    if kind == 5 and index + 1 < len(codes):
        number = codes[index + 1]
        return (number if 0 <= number <= 255 else None), index + 2
    if kind == 2 and index + 3 < len(codes):
        red, green, blue = codes[index + 1 : index + 4]
        fits = all(0 <= part <= 255 for part in (red, green, blue))
        return ((red, green, blue) if fits else None), index + 4
    return None, len(codes)


def _number(text: str) -> int:
    return int(text) if text and len(text) < 6 else 0 if not text else -1
