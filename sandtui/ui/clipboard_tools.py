"""Finds the clipboard tool of this machine. The terminal is asked too, with OSC 52."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping

_HELPERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
)


def helper(environ: Mapping[str, str], platform: str = sys.platform) -> tuple[str, ...] | None:
    """Return the command that copies its standard input, or None.

    Over SSH there is none: the user does not paste from the clipboard of the remote machine.
    """
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return None
    if platform == "darwin":
        return ("pbcopy",) if shutil.which("pbcopy") else None
    for variable, command in _HELPERS:
        if environ.get(variable) and shutil.which(command[0]):
            return command
    return None
