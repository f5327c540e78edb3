"""The overview line: resources, next expiry, failures, and a chart of the last hour."""

from __future__ import annotations

from datetime import UTC, datetime

from sandtui.fleet.inventory.cost import money
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.totals import Totals
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.charts import spark
from sandtui.ui.rendering.text import Piece, fit_middle, width_of
from sandtui.ui.rendering.units import DUE, counted, number, time_left

COLUMNS = 12
MINUTES_EACH = 5
NAME_WIDTH = 40
BEFORE_NAME = ("next to expire: ", "expires: ")


def _held(text: str) -> list[Piece]:
    amount, _, unit = text.partition(" ")
    return [Piece(amount, "bright"), Piece(f" {unit}  ", "dim")]


def _rate(totals: Totals) -> list[Piece]:
    """Return the estimated cost an hour; at least so much where some have no price."""
    if not totals.priced:
        return []
    return [Piece(f"{'≥' if totals.unpriced else '~'}{money(totals.per_hour)}", "bright"), Piece("/h  ", "dim")]


def overview_pieces(
    totals: Totals, next_to_end: Row | None, now: datetime, width: int, *, failures: bool = True
) -> list[Piece]:
    """Return the totals, the next sandbox to expire, and the failures of the last hour unless they are beside it.

    The name is cut only where even fewer words about it leave too little room.
    """
    pieces = [
        *_held(counted(round(totals.cores, 1), "core")),
        *_held(f"{number(round(totals.memory_gb, 1))} GB"),
        *(_held(counted(totals.gpus, "GPU")) if totals.gpus else ()),
        *_rate(totals),
    ]
    if failures:
        errors = totals.errors_since(now)
        pieces += [Piece(f"✖ {errors:,}" if errors else "0", "bad" if errors else "dim")]
        pieces += [Piece(" failed (1 h)   ", "dim")]
    soonest = totals.soonest_expiry
    if soonest is not None and next_to_end is not None:
        left = time_left(datetime.fromtimestamp(soonest[0], UTC), now)
        text, between = clean(next_to_end.sandbox.name), Piece(" " if left.text == DUE else " in ", "dim")
        room = width - sum(width_of(piece.text) for piece in (*pieces, between, left))
        needed = min(width_of(text), NAME_WIDTH)
        before = next((words for words in BEFORE_NAME if width_of(words) + needed <= room), BEFORE_NAME[-1])
        name = fit_middle(text, max(1, min(room - width_of(before), width_of(text), NAME_WIDTH)))
        pieces += [Piece(before, "dim"), Piece(name), between, left]
    return pieces


def unmeasured_pieces(count: int, key: str) -> list[Piece]:
    """Return how many sandboxes a filter on usage leaves out, and the key that measures them unless it is empty."""
    pieces = [Piece(f"{count:,} running, not measured", "busy")]
    pieces += [Piece(" (", "busy"), Piece(key, "key"), Piece(" to measure)", "busy")] if key else []
    return [*pieces, Piece("   ")]


def orphan_pieces(mine: int, others: int, key: str, cost: str = "") -> list[Piece]:
    """Return how many sandboxes are orphaned, and the key that deletes those of this user unless it is empty."""
    pieces = [Piece(f"◇ {mine:,} orphaned" if mine else "◇ ", "busy")]
    pieces += [Piece(f" · {cost}", "busy")] if cost else []
    pieces += [Piece(" (", "busy"), Piece(key, "key"), Piece(" to end)", "busy")] if mine and key else []
    if others:
        pieces.append(Piece(f" + {others:,} of others" if mine else f"{others:,} orphaned, of others", "dim"))
    return [*pieces, Piece("   ")]


HISTORY_BARS = (2, 1)
"""How many rows of bars the last hour has, from most to least."""


def history_pieces(totals: Totals, now: datetime, bars: int = 2) -> list[Piece]:
    """Return the numbers of starts and failures of the last hour, and bars of five minutes each; one is of failures."""
    starts = _sums(totals.starts, int(now.timestamp()) // 60)
    failures, failed = totals.errors_in_steps(now, COLUMNS), totals.errors_since(now)
    return [
        Piece("last hour: ", "dim"),
        Piece(f"{sum(starts):,}"),
        Piece(" started ", "dim"),
        *([Piece(spark(starts), "good")] if bars > 1 else []),
        Piece("  " if bars > 1 else " "),
        Piece(f"✖ {failed:,}" if failed else "0", "bad" if failed else "dim"),
        Piece(" failed ", "dim"),
        Piece(spark(failures), "bad" if failed else "dim"),
    ]


def _sums(counts: dict[int, int], minute: int) -> list[int]:
    first = minute - COLUMNS * MINUTES_EACH + 1
    return [
        sum(counts.get(first + column * MINUTES_EACH + step, 0) for step in range(MINUTES_EACH))
        for column in range(COLUMNS)
    ]
