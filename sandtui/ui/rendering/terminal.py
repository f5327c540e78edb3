"""Renders cells of the terminal emulation: pens as styles, text of exactly the width of its cells."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.color import Color as ThemeColor

from sandtui.terminal import TRUE, Pen, TextRun
from sandtui.terminal import pen as pens
from sandtui.terminal.colors import Colors
from sandtui.terminal.widths import cells_of

UNKNOWN = "\ufffd"


def style_of(pen: Pen, base: Style, reverse_screen: bool = False) -> Style:
    """Return the style of a pen. Nothing blinks; links are underlined but not passed to the outer terminal."""
    fg = _color(pen.fg) or base.color
    bg = _color(pen.bg) or base.bgcolor
    if bool(pen.flags & pens.REVERSE) != reverse_screen:
        # Swapped here instead of by an attribute, because the default colors are those of the theme.
        fg, bg = bg, fg
    if pen.flags & pens.HIDDEN:
        fg = bg
    return Style(
        color=fg,
        bgcolor=bg,
        bold=bool(pen.flags & pens.BOLD) or None,
        dim=bool(pen.flags & pens.DIM) or None,
        italic=bool(pen.flags & pens.ITALIC) or None,
        underline=bool(pen.flags & pens.UNDERLINE or pen.link) or None,
        underline2=bool(pen.flags & pens.DOUBLE) or None,
        strike=bool(pen.flags & pens.STRIKE) or None,
        overline=bool(pen.flags & pens.OVERLINE) or None,
    )


def colors_of(variables: Mapping[str, str], ansi: TerminalTheme) -> Colors:
    """Return the terminal colors of a theme, for programs that query them."""

    def named(name: str, otherwise: tuple[int, int, int]) -> int:
        color = ThemeColor.parse(variables[name])
        red, green, blue = otherwise if color.ansi is not None else color.rgb
        return red << 16 | green << 8 | blue

    foreground = named("foreground", ansi.foreground_color)
    palette = tuple(red << 16 | green << 8 | blue for red, green, blue in map(ansi.ansi_colors.__getitem__, range(16)))
    return Colors(foreground, named("background", ansi.background_color), foreground, palette)


def segment(run: TextRun, style: Style) -> Segment:
    """Return a segment exactly as wide as the cells of the run."""
    text = run.text
    if text.isascii():
        return Segment(text, style)
    return Segment(text if cell_len(text) == run.cells else _of_width(text, run.cells), style)


def _of_width(text: str, cells: int) -> str:
    """Replace characters that Rich draws wider or narrower than the emulation."""
    parts = []
    chars = cells_of(text)
    for index, char in enumerate(chars):
        if char:
            wide = 2 if index + 1 < len(chars) and chars[index + 1] == "" else 1
            parts.append(char if cell_len(char) == wide else UNKNOWN * wide)
    joined = "".join(parts)
    if cell_len(joined) == cells:
        return joined
    # Characters that merge with their neighbors, such as the letters of flags.
    plain = "".join(char if char.isascii() else UNKNOWN for char in chars)
    return plain[:cells].ljust(cells)


def _color(number: int | None) -> Color | None:
    if number is None:
        return None
    if number < TRUE:
        return Color.from_ansi(number)
    return Color.from_rgb(number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF)
