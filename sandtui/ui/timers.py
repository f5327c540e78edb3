"""Timers that run once, and surely."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.timer import Timer


def never_skipped(timer: Timer) -> Timer:
    """Have a timer run that was just set, however late its task begins.

    Textual leaves out a tick whose time has passed: of a timer that runs once, the only one. With a short delay, or
    on a busy machine, what waits for it would wait for ever.
    """
    timer._skip = False
    return timer
