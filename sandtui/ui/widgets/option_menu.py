"""A list of options that works in a window of any size."""

from __future__ import annotations

from textual.widgets import OptionList


class OptionMenu(OptionList):
    """Textual's list; the original crashes on page keys when no line fits."""

    def action_page_up(self) -> None:
        if self.scrollable_content_region:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self.scrollable_content_region:
            super().action_page_down()  # type: ignore[no-untyped-call]
