"""Shells in sandboxes: the way into one, a shell that goes on in a terminal of ours, and all that are open."""

from sandtui.fleet.shells.board import ShellBoard
from sandtui.fleet.shells.live import LiveShell, ShellState

__all__ = ["LiveShell", "ShellBoard", "ShellState"]
