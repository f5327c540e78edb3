"""Works around two faults of Textual's timers.

Textual skips a tick whose time has passed. If that is the only tick of a one-shot timer, because of a short delay or a
busy machine, the timer never fires. Worse, with an interval that is negative or shorter than a turn of the event loop,
it searches for the next tick forever and blocks the loop: this happens to a notification that expires while it is being
drawn. All widgets create their timers with the same class, so it is replaced there.
"""

from __future__ import annotations

from typing import Any

import textual.message_pump
from textual.timer import Timer

SHORTEST_SECONDS = 0.001


class SureTimer(Timer):
    """Textual's timer without these two faults."""

    def __init__(self, event_target: Any, interval: float, **options: Any) -> None:
        if options.get("repeat") is not None:
            options["skip"] = False
        super().__init__(event_target, max(interval, SHORTEST_SECONDS), **options)


def install() -> None:
    """Make all widgets use these timers; idempotent."""
    textual.message_pump.Timer = SureTimer  # type: ignore[attr-defined]
