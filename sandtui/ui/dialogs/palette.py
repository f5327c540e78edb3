"""The command palette."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette

PALETTE_ID = "--command-palette"
"""The id by which Textual knows it."""


class Palette(CommandPalette):
    """Textual's palette, which fails on a page of its list when there is no room to draw a line of it."""

    def _action_command_list(self, action: str) -> None:
        if self.query_one(CommandList).scrollable_content_region:
            super()._action_command_list(action)
