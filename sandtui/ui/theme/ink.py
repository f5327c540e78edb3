"""The colours of a program's output in the terms of the terminal."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color
from rich.style import Style

from sandtui.fleet.text.sgr import Colour, Ink


@lru_cache(maxsize=4096)
def ink_style(ink: Ink) -> Style:
    """Return the style of some ink; what it leaves open is the theme's."""
    return Style(
        color=_colour(ink.colour),
        bgcolor=_colour(ink.background),
        bold=ink.bold or None,
        dim=ink.dim or None,
        italic=ink.italic or None,
        underline=ink.underline or None,
        reverse=ink.reverse or None,
        strike=ink.strike or None,
    )


def _colour(colour: Colour | None) -> Color | None:
    if colour is None:
        return None
    return Color.from_ansi(colour) if isinstance(colour, int) else Color.from_rgb(*colour)
