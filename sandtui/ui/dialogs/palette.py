"""The command palette."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette

PALETTE_ID = "--command-palette"
"""The id that Textual gives the palette."""


class Palette(CommandPalette):
    """Textual's palette; the original crashes on page keys when no line of its list fits."""

    def _action_command_list(self, action: str) -> None:
        if self.query_one(CommandList).scrollable_content_region:
            super()._action_command_list(action)
