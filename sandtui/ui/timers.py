"""Timers that run once do run, and no timer holds the event loop.

Textual leaves out a tick whose time has passed. Of a timer that runs once this is the only one: what waits for it waits
for ever, with a short delay or on a busy machine. Worse, with an interval that is negative or shorter than a turn of
its loop, it looks for the next tick for ever and holds the event loop: a notice does so whose time ran out while it was
being drawn. Every widget makes its timers by the same class, so this is put right there and nowhere else.
"""

from __future__ import annotations

from typing import Any

import textual.message_pump
from textual.timer import Timer

SHORTEST_SECONDS = 0.001


class SureTimer(Timer):
    """Textual's timer, without the two faults above."""

    def __init__(self, event_target: Any, interval: float, **options: Any) -> None:
        if options.get("repeat") is not None:
            options["skip"] = False
        super().__init__(event_target, max(interval, SHORTEST_SECONDS), **options)


def install() -> None:
    """Have all widgets make such timers; a second call does nothing."""
    textual.message_pump.Timer = SureTimer  # type: ignore[attr-defined]
