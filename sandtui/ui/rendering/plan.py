"""How a plan looks before it is carried out, and a run while it is."""

from __future__ import annotations

from datetime import datetime

from sandtui.fleet.inventory.bulk import BulkRun, Item, State
from sandtui.fleet.inventory.bulk_plan import Plan
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.status import count_pieces, status_pieces
from sandtui.ui.rendering.text import Content, Piece, Role, content, fit, lines, outside
from sandtui.ui.rendering.units import age, long_duration

SHOWN = 8
BAR_WIDTH = 30

MARKS: dict[State, tuple[str, Role]] = {
    State.WAITING: ("◌", "dim"),
    State.RUNNING: ("◐", "busy"),
    State.DONE: ("✓", "good"),
    State.FAILED: ("✖", "bad"),
    State.CANCELLED: ("‖", "info"),
}


def plan_list(plan: Plan, now: datetime, most: int = SHOWN) -> Content:
    """Return the sandboxes, the first of them by name."""
    rows = [
        content(
            Piece(fit(clean(row.sandbox.name), 26), "bright"),
            Piece("  "),
            *status_pieces(row.status),
            Piece("   "),
            age(row.sandbox.created_at, now),
        )
        for row in plan.rows[:most]
    ]
    more = plan.count - min(len(plan.rows), most)
    if more > 0:
        rows.append(content(Piece(f"and {more:,} more", "dim")))
    return lines(rows)


def plan_words(plan: Plan, where: str) -> Content:
    """Return the sums, what is left out, what it means, and on which platform."""
    rows: list[Content] = []
    if plan.value:
        rows.append(content(Piece(f"{plan.verb.asks}: ", "dim"), outside(plan.value, "bright")))
    if plan.folder:
        rows.append(content(Piece("working directory: ", "dim"), outside(plan.folder, "bright")))
    if plan.verb.warning:
        words = plan.verb.warning
        if len(plan.rows) == 1:
            words = words.replace("All their processes end and their", "Its processes end and its")
        rows.append(content(Piece(words, "busy")))
    sums = [*count_pieces(plan.statuses)]
    if len(plan.rows) > 1 and plan.common_labels:
        named = "  ".join(f"{label} {count:,}" for label, count in plan.common_labels)
        sums += [Piece("   "), outside(named, "info")]
    rows += [content(*sums), content(Piece(f"context: {clean(where)}", "dim"))]
    for reason, number in plan.spared.items():
        left_out = Piece(f"left out: {number:,} {reason}   ", "busy")
        rows.append(content(left_out, Piece("i", "key"), Piece(" takes them" if number > 1 else " takes it", "dim")))
    rows += [content(Piece(f"with {number:,} {reason}", "busy")) for reason, number in plan.unspared.items()]
    if plan.passed_over:
        rows.append(content(Piece(f"{plan.passed_over:,} others are left out: it can't be done to them now", "dim")))
    if plan.by_label:
        words = f"{plan.count:,} carry it now, {plan.hidden:,} of them are not shown here"
        rows.append(content(Piece(words, "bad" if plan.hidden else "text")))
    elif plan.hidden:
        rows.append(content(Piece(f"▲ {plan.hidden:,} of them are hidden by the filter", "busy")))
    return lines(rows)


def progress_words(run: BulkRun, now: float) -> Content:
    """Return the bar and the counts of a run."""
    total = len(run.items)
    over = total - run.remaining
    filled = BAR_WIDTH * over // max(1, total)
    took = (run.ended if run.ended is not None else now) - run.started
    pieces = [
        Piece("█" * filled, "good"),
        Piece("░" * (BAR_WIDTH - filled), "dim"),
        Piece(f"  {over:,} of {total:,}   "),
        Piece(f"✓ {run.count(State.DONE):,}", "good"),
        Piece(f"   ✖ {run.count(State.FAILED):,}", "bad" if run.count(State.FAILED) else "dim"),
    ]
    if run.remaining:
        pieces.append(Piece(f"   {run.remaining:,} to go", "busy"))
    if cancelled := run.count(State.CANCELLED):
        pieces.append(Piece(f"   {cancelled:,} cancelled", "info"))
    return content(*pieces, Piece(f"   {long_duration(took)}", "dim"))


def item_pieces(item: Item) -> list[Piece]:
    """Return the line of one sandbox."""
    mark, role = MARKS[item.state]
    words = clean(item.words) or item.state.value
    return [
        Piece(f"{mark} ", role),
        Piece(fit(clean(item.name), 26), "bright"),
        Piece("  "),
        Piece(words, role if item.state in {State.FAILED, State.CANCELLED} else "dim"),
    ]
