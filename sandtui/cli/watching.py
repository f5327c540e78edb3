"""Prints sandboxes as they appear and change, at the pace of the dashboard."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sandtui.cli.usage import INTERRUPTED, complain
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.pace import Pace
from sandtui.fleet.inventory.refresh import Freshness, Phase, Refresher
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.statuses import GONE
from sandtui.fleet.inventory.store import FleetStore

if TYPE_CHECKING:
    from sandtui.cli.output import ObjectPrinter
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.query import Query

PACE = Pace(calm=5.0, stop_after=float("inf"))
"""Nobody presses a key here."""

POLLED = 500
"""Sandboxes that are polled often; the others are seen by each listing."""


async def watch(client: AsyncSandboxClient, query: Query, printer: ObjectPrinter[Row], *, ended: bool) -> int:
    """Print the matches, and each change of one, until interrupted."""
    clock = SystemClock()
    store = FleetStore(clock)
    printed: dict[str, Row] = {}
    last_problem = ""

    def on_freshness(freshness: Freshness) -> None:
        nonlocal last_problem
        if freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED} and freshness.problem != last_problem:
            complain(freshness.problem)
        last_problem = freshness.problem

    def on_change(change: ChangeSet) -> None:
        rows = [row for each in (*change.added, *change.changed) if (row := store.get(each)) is not None]
        rows.sort(key=lambda row: (row.recency, row.id))
        now = clock.now().timestamp()
        matching = {row.id for row in query.select(rows, now) if ended or not row.sandbox.is_finished}
        shown = [row for row in rows if row.id in matching or row.id in printed]
        shown = [row for row in shown if _differs(printed.get(row.id), row)]
        for row in shown:
            if row.id in matching:
                printed[row.id] = row
            else:
                printed.pop(row.id, None)
        gone = [row for each in change.removed if (row := printed.pop(each, None)) is not None]
        printer.add([*shown, *(_gone(row) for row in gone)])

    store.watch(on_change)
    refresher = Refresher(client, store, clock, on_freshness, PACE)
    refresher.visible_ids = lambda: list(printed)[:POLLED]
    with suppress(asyncio.CancelledError):
        await refresher.run()
    return INTERRUPTED


def _differs(before: Row | None, after: Row) -> bool:
    """Whether anything changed but the bookkeeping of the store."""
    return before is None or (before.sandbox, before.status) != (after.sandbox, after.status)


def _gone(row: Row) -> Row:
    return replace(row, status=GONE, sandbox=row.sandbox.model_copy(update={"status": GONE}))
