"""The command palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.command import CommandList, CommandPalette
from textual.renderables.background_screen import BackgroundScreen

from sandtui.ui.chrome.drawing import PromptScreen
from sandtui.ui.rendering.backdrop import Backdrop

if TYPE_CHECKING:
    from rich.console import RenderableType

PALETTE_ID = "--command-palette"
"""The id that Textual gives the palette."""


class Palette(CommandPalette, PromptScreen[None]):
    """Textual's palette; the original crashes on page keys when no line of its list fits."""

    def render(self) -> RenderableType:
        """Draw what is behind it, as for our own dialogs."""
        behind = super().render()
        return Backdrop(behind.screen, behind.color) if isinstance(behind, BackgroundScreen) else behind

    def _action_command_list(self, action: str) -> None:
        if self.query_one(CommandList).scrollable_content_region:
            super()._action_command_list(action)
