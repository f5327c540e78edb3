"""The colors of command output as Rich styles."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color
from rich.style import Style

from sandtui.fleet.text.sgr import Ink, InkColor


@lru_cache(maxsize=4096)
def ink_style(ink: Ink) -> Style:
    """Return the style of an ink; what it does not set comes from the theme."""
    return Style(
        color=_color(ink.color),
        bgcolor=_color(ink.background),
        bold=ink.bold or None,
        dim=ink.dim or None,
        italic=ink.italic or None,
        underline=ink.underline or None,
        reverse=ink.reverse or None,
        strike=ink.strike or None,
    )


def _color(color: InkColor | None) -> Color | None:
    if color is None:
        return None
    return Color.from_ansi(color) if isinstance(color, int) else Color.from_rgb(*color)
