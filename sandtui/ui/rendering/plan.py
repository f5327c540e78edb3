"""Texts of a bulk plan, and of a bulk run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sandtui.fleet.inventory.bulk import BulkItem, BulkRun, BulkState
from sandtui.fleet.inventory.bulk_plan import BulkPlan
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.status import status_count_pieces, status_pieces
from sandtui.ui.rendering.text import Content, Piece, Role, content, fit_middle, lines, outside, width_of
from sandtui.ui.rendering.units import age, long_duration, number

SHOWN = 8
BAR_WIDTH = 30
MOST_NAME = 26

MARKS: dict[BulkState, tuple[str, Role]] = {
    BulkState.WAITING: ("◌", "dim"),
    BulkState.RUNNING: ("◐", "info"),
    BulkState.DONE: ("✓", "good"),
    BulkState.FAILED: ("✖", "bad"),
    BulkState.CANCELLED: ("‖", "info"),
}


def plan_list(plan: BulkPlan, now: datetime, most: int = SHOWN) -> Content:
    """Return the first sandboxes, and the number of the others."""
    rows = [
        content(
            Piece(fit_middle(clean(row.sandbox.name), 26), "bright"),
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


def plan_text(plan: BulkPlan, where: str) -> Content:
    """Return the warning, the counts, the context and what is skipped."""
    rows: list[Content] = []
    if plan.group:
        rows.append(content(Piece("group: ", "dim"), outside(plan.group, "bright"), Piece(f"  {plan.count:,}", "dim")))
    if plan.value:
        rows.append(content(Piece(f"{plan.verb.asks}: ", "dim"), outside(plan.value, "bright")))
    if plan.folder:
        rows.append(content(Piece("working directory: ", "dim"), outside(plan.folder, "bright")))
    if plan.verb.warning:
        rows.append(content(Piece(plan.verb.warning, "busy")))
    # One sandbox has its status beside its name.
    if plan.statuses and plan.count > 1:
        rows.append(content(*status_count_pieces(plan.statuses)))
    if len(plan.rows) > 1 and plan.common_labels:
        labels = ", ".join(f"{label} ×{count:,}" for label, count in plan.common_labels)
        rows.append(content(Piece("labels: ", "dim"), outside(labels, "info")))
    rows += _size(plan)
    rows.append(content(Piece("context: ", "dim"), outside(where)))
    for reason, found in plan.spared.items():
        rows.append(
            content(Piece(f"{found:,} skipped {reason}   ", "busy"), Piece("a", "key"), Piece(" include", "dim"))
        )
    rows += [content(Piece(f"includes {found:,} {reason}", "busy")) for reason, found in plan.unspared.items()]
    if plan.passed_over:
        rows.append(content(Piece(f"{plan.passed_over:,} skipped (not eligible)", "dim")))
    if plan.by_label:
        noun = "this label" if len(plan.by_label) == 1 else "these labels"
        note = f", {plan.hidden:,} of them not visible here" if plan.hidden else ""
        verb = "has" if plan.count == 1 else "have"
        rows.append(content(Piece(f"{plan.count:,} {verb} {noun}{note}", "bad" if plan.hidden else "text")))
    elif plan.hidden:
        rows.append(content(Piece(f"▲ includes {plan.hidden:,} not visible (hidden by the filter)", "busy")))
    return lines(rows)


def _size(plan: BulkPlan) -> list[Content]:
    """Return how large they are together, if all are known."""
    if plan.reach is not None or not plan.rows:
        return []
    each = [row.sandbox for row in plan.rows]
    cores, memory = sum(box.cpu_cores for box in each), sum(box.memory_gb for box in each)
    disk = sum(box.disk_size_gb for box in each)
    if not (cores or memory or disk):
        return []
    text = f"{number(cores)} cpu · {number(memory)} GB · {number(disk)} GB disk"
    return [content(Piece("together: " if len(each) > 1 else "size: ", "dim"), Piece(text))]


def progress_text(run: BulkRun, now: float) -> Content:
    """Return the progress bar and the counts of a run."""
    total = len(run.items)
    over = total - run.remaining
    filled = BAR_WIDTH * over // max(1, total)
    took = (run.ended if run.ended is not None else now) - run.started
    pieces = [
        Piece("█" * filled, "good"),
        Piece("░" * (BAR_WIDTH - filled), "dim"),
        Piece(f"  {over:,} of {total:,}   "),
        Piece(f"✓ {run.count(BulkState.DONE):,}", "good"),
        Piece(f"   ✖ {run.count(BulkState.FAILED):,}", "bad" if run.count(BulkState.FAILED) else "dim"),
    ]
    if run.remaining:
        pieces.append(Piece(f"   {run.remaining:,} left", "dim"))
    if cancelled := run.count(BulkState.CANCELLED):
        pieces.append(Piece(f"   {cancelled:,} canceled", "info"))
    return content(*pieces, Piece(f"   {long_duration(took)}", "dim"))


def name_width(items: Iterable[BulkItem]) -> int:
    """Return the cells for the names of some items."""
    return min(MOST_NAME, max((width_of(clean(item.name)) for item in items), default=0))


def item_pieces(item: BulkItem, names: int) -> list[Piece]:
    """Return the result line of one sandbox; its name has ``names`` cells."""
    mark, role = MARKS[item.state]
    result = clean(item.words) or item.state.value
    return [
        Piece(f"{mark} ", role),
        Piece(fit_middle(clean(item.name), names), "bright"),
        Piece("  "),
        Piece(result, role if item.state in {BulkState.FAILED, BulkState.CANCELLED} else "dim"),
    ]
