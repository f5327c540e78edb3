"""When sandboxes end: how many in each span of time from now."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from sandtui.fleet.inventory.row import NEVER, Row

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

STEPS: tuple[tuple[str, float], ...] = (
    ("< 10m", 10 * MINUTE),
    ("< 1h", HOUR),
    ("< 4h", 4 * HOUR),
    ("< 12h", 12 * HOUR),
    ("< 1d", DAY),
    ("later", NEVER),
)
"""The spans, each with the seconds before which it ends. They widen, as the need to look at what ends falls."""

_ENDS = tuple(end for _, end in STEPS[:-1])


@dataclass(frozen=True, slots=True)
class Expiries:
    """The active sandboxes by the time left; ``unlimited`` ones never end by themselves."""

    counts: tuple[int, ...]
    unlimited: int

    @property
    def total(self) -> int:
        """All that are counted."""
        return sum(self.counts) + self.unlimited


def expiries(rows: Iterable[Row], now: float) -> Expiries:
    """Count active rows by the time left at ``now`` (seconds since 1970); what is overdue counts as ending soonest."""
    counts, unlimited = [0] * len(STEPS), 0
    for row in rows:
        if row.sandbox.is_finished:
            continue
        if row.expires == NEVER:
            # The time of what has not started yet does not run.
            unlimited += row.sandbox.timeout_minutes <= 0
            continue
        counts[bisect_right(_ENDS, row.expires - now)] += 1
    return Expiries(tuple(counts), unlimited)
