"""A list of options that can be paged through in a window of any size."""

from __future__ import annotations

from textual.widgets import OptionList


class OptionMenu(OptionList):
    """Textual's list, which fails on a page when it has no room to draw a line."""

    def action_page_up(self) -> None:
        """Go a page up."""
        if self.scrollable_content_region:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        """Go a page down."""
        if self.scrollable_content_region:
            super().action_page_down()  # type: ignore[no-untyped-call]
