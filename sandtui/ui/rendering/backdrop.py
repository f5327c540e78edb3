"""The background of a dialog."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.renderables.background_screen import BackgroundScreen

if TYPE_CHECKING:
    from collections.abc import Iterable


class Backdrop(BackgroundScreen):
    """The dimmed screen behind a dialog, with each style dimmed once: Textual would dim each segment."""

    @classmethod
    def process_segments(cls, segments: Iterable[Segment], color: Color) -> Iterable[Segment]:
        """Dim the segments, and drop links and other clickable metadata."""
        for segment in segments:
            text, style, control = segment
            yield segment if control else Segment(text, _dimmed(style or _PLAIN, color))


_PLAIN = Style()


@lru_cache(4096)
def _dimmed(style: Style, color: Color) -> Style | None:
    if style.reverse:
        # Without colors the line that has the keys is the reversed one: that of the dialog in front.
        style += Style(reverse=False, underline=True)
    [segment] = BackgroundScreen.process_segments([Segment("", style)], color)
    return segment.style
