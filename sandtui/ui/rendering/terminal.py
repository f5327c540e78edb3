"""How a terminal's cells look: its pens as styles, and its text as text whose width everybody agrees on."""

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
    """Return the style of a pen. Nothing blinks, and links are underlined but never handed to the outer terminal."""
    fg = _colour(pen.fg) or base.color
    bg = _colour(pen.bg) or base.bgcolor
    if bool(pen.flags & pens.REVERSE) != reverse_screen:
        # Swapped here and not by an attribute: the terminal's own colours are the theme's.
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
    """Return the colours that a theme gives a terminal, for programs that ask."""

    def named(name: str, otherwise: tuple[int, int, int]) -> int:
        colour = ThemeColor.parse(variables[name])
        red, green, blue = otherwise if colour.ansi is not None else colour.rgb
        return red << 16 | green << 8 | blue

    foreground = named("foreground", ansi.foreground_color)
    palette = tuple(red << 16 | green << 8 | blue for red, green, blue in map(ansi.ansi_colors.__getitem__, range(16)))
    return Colors(foreground, named("background", ansi.background_color), foreground, palette)


def segment(run: TextRun, style: Style) -> Segment:
    """Return a run as a segment that is exactly as wide as the run's cells."""
    text = run.text
    if text.isascii():
        return Segment(text, style)
    return Segment(text if cell_len(text) == run.cells else _agreed(text, run.cells), style)


def _agreed(text: str, cells: int) -> str:
    """Replace what the screen's library would draw wider or narrower than the emulation has it."""
    parts = []
    chars = cells_of(text)
    for place, char in enumerate(chars):
        if char:
            wide = 2 if place + 1 < len(chars) and chars[place + 1] == "" else 1
            parts.append(char if cell_len(char) == wide else UNKNOWN * wide)
    joined = "".join(parts)
    if cell_len(joined) == cells:
        return joined
    # Signs that merge with their neighbours, such as the letters of flags.
    plain = "".join(char if char.isascii() else UNKNOWN for char in chars)
    return plain[:cells].ljust(cells)


def _colour(number: int | None) -> Color | None:
    if number is None:
        return None
    if number < TRUE:
        return Color.from_ansi(number)
    return Color.from_rgb(number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF)
