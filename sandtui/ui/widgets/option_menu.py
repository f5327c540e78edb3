"""A list of options that works in a window of any size."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import OptionList


class OptionMenu(OptionList):
    """Textual's list; the original crashes on page keys when no line fits, and never draws in reverse video."""

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        bar = self.get_component_rich_style("option-list--option-highlighted")
        if not bar.reverse or not any(_option_of(segment) == self.highlighted for segment in strip):
            return strip
        # One bar: colors of the text would turn into backgrounds, one for each piece.
        return Strip([Segment(text, (style or bar) + bar, control) for text, style, control in strip])

    def action_page_up(self) -> None:
        if self.scrollable_content_region:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self.scrollable_content_region:
            super().action_page_down()  # type: ignore[no-untyped-call]


def _option_of(segment: Segment) -> int | None:
    """Return the index of the option that Textual has drawn."""
    return None if segment.style is None else segment.style.meta.get("option")
