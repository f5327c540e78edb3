"""The overview line: resources, next expiry, failures, and a chart of the last hour."""

from __future__ import annotations

from datetime import UTC, datetime

from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.totals import Totals
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.charts import spark
from sandtui.ui.rendering.text import Piece, fit, width_of
from sandtui.ui.rendering.units import counted, number, time_left

COLUMNS = 12
MINUTES_EACH = 5
NAME_WIDTH = 24


def _held(text: str) -> list[Piece]:
    amount, _, unit = text.partition(" ")
    return [Piece(amount, "bright"), Piece(f" {unit}  ", "dim")]


def overview_pieces(totals: Totals, next_to_end: Row | None, now: datetime, width: int) -> list[Piece]:
    """Return the totals, the failures of the last hour and the next sandbox to expire, whose name is cut to fit."""
    pieces = [
        *_held(counted(round(totals.cores, 1), "core")),
        *_held(f"{number(round(totals.memory_gb, 1))} GB"),
        *(_held(counted(totals.gpus, "GPU")) if totals.gpus else ()),
    ]
    errors = totals.errors_since(now)
    pieces += [Piece(f"✖ {errors:,}" if errors else "0", "bad" if errors else "dim"), Piece(" failed (1 h)   ", "dim")]
    soonest = totals.soonest_expiry
    if soonest is not None and next_to_end is not None:
        left = time_left(datetime.fromtimestamp(soonest[0], UTC), now)
        before, between = Piece("next to expire: ", "dim"), Piece(" in ", "dim")
        room = width - sum(width_of(piece.text) for piece in (*pieces, before, between, left))
        name = fit(clean(next_to_end.sandbox.name), max(1, min(room, NAME_WIDTH))).rstrip()
        pieces += [before, Piece(name), between, left]
    return pieces


def unmeasured_pieces(count: int, key: str) -> list[Piece]:
    """Return how many sandboxes a filter on usage leaves out, and the key that measures them unless it is empty."""
    pieces = [Piece(f"{count:,} running, not measured", "busy")]
    pieces += [Piece(" (", "busy"), Piece(key, "key"), Piece(" to measure)", "busy")] if key else []
    return [*pieces, Piece("   ")]


def history_pieces(totals: Totals, now: datetime) -> list[Piece]:
    """Return starts and failures of the last hour as bars of five minutes each."""
    starts = _sums(totals.starts, int(now.timestamp()) // 60)
    failures = totals.errors_in_steps(now, COLUMNS)
    return [
        Piece("starts ", "dim"),
        Piece(spark(starts), "good"),
        Piece("  failures ", "dim"),
        Piece(spark(failures), "bad" if any(failures) else "dim"),
    ]


def _sums(counts: dict[int, int], minute: int) -> list[int]:
    first = minute - COLUMNS * MINUTES_EACH + 1
    return [
        sum(counts.get(first + column * MINUTES_EACH + step, 0) for step in range(MINUTES_EACH))
        for column in range(COLUMNS)
    ]
