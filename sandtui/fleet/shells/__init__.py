"""Shells in sandboxes: the channel to one, its emulated terminal, and the board of open shells."""

from sandtui.fleet.shells.board import ShellBoard
from sandtui.fleet.shells.live import LiveShell, ShellState

__all__ = ["LiveShell", "ShellBoard", "ShellState"]
