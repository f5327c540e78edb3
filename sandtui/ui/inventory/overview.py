"""The fleet at a glance: what it holds, what ends next, what broke, and how it went in the last hour."""

from __future__ import annotations

from datetime import UTC, datetime

from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.totals import Totals
from sandtui.ui.rendering.bars import spark
from sandtui.ui.rendering.text import Piece, outside
from sandtui.ui.rendering.units import number, time_left

COLUMNS = 12
MINUTES_EACH = 5


def overview_pieces(totals: Totals, next_to_end: Row | None, now: datetime) -> list[Piece]:
    """Return the sums, the next to end and the errors of the last hour."""
    pieces = [
        Piece(number(round(totals.cores, 1)), "bright"),
        Piece(" cores  ", "dim"),
        Piece(number(round(totals.memory_gb, 1)), "bright"),
        Piece(" GB  ", "dim"),
    ]
    if totals.gpus:
        pieces += [Piece(f"{totals.gpus:,}", "bright"), Piece(" GPUs  ", "dim")]
    errors = totals.errors_since(now)
    pieces += [Piece(f"✖ {errors:,}" if errors else "no", "bad" if errors else "dim"), Piece(" errors in 1h   ", "dim")]
    soonest = totals.soonest_expiry
    if soonest is not None and next_to_end is not None:
        left = time_left(datetime.fromtimestamp(soonest[0], UTC), now)
        # The name last: it is what may be cut where there is no room.
        pieces += [Piece("next end in ", "dim"), left, Piece(" ", "dim"), outside(next_to_end.sandbox.name)]
    return pieces


def unmeasured_pieces(count: int, key: str) -> list[Piece]:
    """Return that a filter can't be answered for some, and the key that measures them, when that is offered."""
    verb = "runs and is" if count == 1 else "run and are"
    pieces = [Piece(f"{count:,} {verb} not measured", "busy")]
    pieces += [Piece(", ", "busy"), Piece(key, "key"), Piece(" measures them", "busy")] if key else []
    return [*pieces, Piece("   ")]


def history_pieces(totals: Totals, now: datetime) -> list[Piece]:
    """Return starts and failures of the last hour as two rows of bars."""
    starts = _sums(totals.starts, int(now.timestamp()) // 60)
    failures = totals.errors_in_steps(now, COLUMNS)
    return [
        Piece("1h starts ", "dim"),
        Piece(spark(starts), "good"),
        Piece("  fails ", "dim"),
        Piece(spark(failures), "bad" if any(failures) else "dim"),
    ]


def _sums(counts: dict[int, int], minute: int) -> list[int]:
    first = minute - COLUMNS * MINUTES_EACH + 1
    return [
        sum(counts.get(first + column * MINUTES_EACH + step, 0) for step in range(MINUTES_EACH))
        for column in range(COLUMNS)
    ]
