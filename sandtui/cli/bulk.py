"""An operation on many sandboxes, for a subcommand: plan, question, results, and what was left undone."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING

from sandtui.cli import selection
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn
from sandtui.cli.progress import ProgressLine
from sandtui.cli.usage import FAILURE, INTERRUPTED, UsageError, complain, on_terminal
from sandtui.fleet.inventory.bulk import BulkItem, BulkRun, BulkState
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.fleet.inventory.bulk_plan import BulkPlan
    from sandtui.fleet.inventory.connection import Connection

NAMES_SHOWN = 8

_OVER = (BulkState.DONE, BulkState.FAILED)
_ROLES = {BulkState.DONE: "good", BulkState.FAILED: "bad", BulkState.CANCELLED: "info"}


def _result(item: BulkItem) -> TextCell:
    return TextCell(item.words or item.state.value, _ROLES.get(item.state, ""))


BULK_RESULTS: ObjectKind[BulkItem] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="ID", cell=lambda item, _: item.id),
        TextColumn(id="name", heading="NAME", cell=lambda item, _: item.name, least=12),
        TextColumn(id="result", heading="RESULT", cell=lambda item, _: _result(item), least=20),
    ),
    record=lambda item: {
        "id": item.id,
        "name": item.name,
        "state": item.state.value,
        "error": item.words if item.state is not BulkState.DONE else None,
    },
    name=lambda item: item.name or item.id,
    fields={
        "id": "ID",
        "name": "Name",
        "state": "done, failed or cancelled",
        "error": "why it failed; null if it is done",
    },
)
"""What is printed of each sandbox of an operation on many."""


async def confirm_plan(plan: BulkPlan, connection: Connection, *, yes: bool) -> None:
    """Show a plan as the dashboard does, and ask; ``yes`` answers in advance.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    verb = plan.verb.title.lower()
    pronoun = "it" if plan.count == 1 else "them"
    if not on_terminal("stdin", "stderr"):
        raise UsageError(f"{plan.title} on {connection.label}? add --yes to {verb} {pronoun} without being asked")
    print("\n".join(plan_lines(plan, connection.label)), file=sys.stderr)
    if connection.production:
        question = f"{connection.label} is production. Type {plan.count} to {verb} {pronoun}: "
    elif plan.needs_count:
        question = f"Type {plan.count} to {verb} {pronoun}: "
    else:
        question = f"{plan.verb.title} {pronoun}? [y/N] "
    answer = (await selection.answer(question)).lower()
    agreed = {str(plan.count)} if connection.production or plan.needs_count else {"y", "yes"}
    if answer not in agreed:
        raise UsageError("cancelled; nothing was changed")


def plan_lines(plan: BulkPlan, where: str) -> list[str]:
    """Return what a plan would do, safe to print."""
    names = [clean(f"  {row.name or row.id}  {row.status.lower()}") for row in plan.rows[:NAMES_SHOWN]]
    more = plan.count - len(names)
    lines = [plan.title, *names, *([f"  and {more:,} more"] if more else [])]
    lines += [plan.verb.warning] if plan.verb.warning else []
    if plan.count > 1:
        lines.append(", ".join(f"{count:,} {clean(status).lower()}" for status, count in plan.statuses.most_common()))
    if plan.count > 1 and plan.common_labels:
        lines.append("labels: " + ", ".join(clean(f"{label} ×{count:,}") for label, count in plan.common_labels))
    lines.append(clean(f"context: {where}"))
    if plan.passed_over:
        lines.append(f"{plan.passed_over:,} skipped (not eligible)")
    return lines


async def follow_bulk(run: BulkRun, arguments: argparse.Namespace, verb: str) -> int:
    """Run it and print each result as it comes; ctrl+c starts nothing more and says what was left undone."""
    printer = ObjectPrinter(BULK_RESULTS, arguments)
    progress = ProgressLine(verb, len(run.items))
    printed: set[str] = set()

    def report(states: tuple[BulkState, ...] = _OVER) -> None:
        fresh = [item for item in run.items if item.id not in printed and item.state in states]
        if fresh:
            printed.update(item.id for item in fresh)
            progress.clear()
            printer.add(fresh)
        progress.update(len(printed))

    run.on_change.subscribe(report)
    try:
        await run.run()
    except asyncio.CancelledError:
        pass  # the counts say so
    finally:
        report((*_OVER, BulkState.CANCELLED))
        progress.clear()
        printer.end()
    if run.count(BulkState.CANCELLED):
        left = Counter(item.words for item in run.items if item.state is BulkState.CANCELLED)
        undone = ", ".join(f"{count:,} {words}" for words, count in left.most_common())
        complain(f"interrupted: {run.count(BulkState.DONE):,} done{undone and f', {undone}'}")
        return INTERRUPTED
    failed = run.count(BulkState.FAILED)
    if failed:
        complain(f"{failed:,} of {len(run.items):,} failed")
    return FAILURE if failed else 0
