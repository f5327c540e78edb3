"""``sandtui reap``: delete the sandboxes whose program has ended without them."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from sandtui.cli.arguments import seconds
from sandtui.cli.connected import run_connected
from sandtui.cli.ls import sandboxes
from sandtui.cli.output import ObjectKind, ObjectPrinter, add_output
from sandtui.cli.rm import delete_planned, results
from sandtui.cli.targets import read_query
from sandtui.cli.usage import EXIT_CODES, note
from sandtui.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.fleet.inventory.row import Row
    from sandtui.leases import LeaseJudge, LeaseMark, Verdict

_DESCRIPTION = """\
Delete the orphaned sandboxes: those that were created under a lease (`sandtui lease`, or client.lease in a program)
whose process has ended, or whose host has been silent for longer than its grace. QUERY narrows them. Shows what would
be deleted and asks; scripts add --yes. What other people left is counted, and not deleted.

  sandtui reap --dry-run
  sandtui reap '#run=42' --yes --older-than 10m
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "reap",
        help="delete what programs that have ended left running",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui reap [options] [QUERY]",
    )
    parser.add_argument("query", metavar="QUERY", nargs="*", help="filter expression (`sandtui help filter`)")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, without deleting it")
    parser.add_argument(
        "--older-than", type=seconds, metavar="TIME", help="only sandboxes created longer ago: 90s, 10m, 2h, 1d"
    )
    parser.add_argument(
        "--host-gone",
        action="append",
        default=[],
        metavar="HOST",
        help="treat this host as gone, for one that can't be asked from here",
    )
    add_output(parser, _results, sort=False)
    parser.set_defaults(run=run, connects=True, changes=lambda chosen: "" if chosen.dry_run else "it deletes sandboxes")


def _results() -> ObjectKind[Any]:
    return results()


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    text = " ".join(arguments.query)
    read_query(text)

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        from sandtui.fleet.inventory.bulk_plan import DELETE, make_plan
        from sandtui.fleet.inventory.leases import is_mine
        from sandtui.leases import LeaseFiles, LeaseJudge

        rows = await _leased(client, text, arguments.older_than)
        judge = LeaseJudge(LeaseFiles(), gone_hosts=arguments.host_gone)
        verdicts = await _judged(judge, rows)
        orphans = [row for row in rows if row.lease is not None and verdicts[row.lease].gone]
        mine = [row for row in orphans if is_mine(row, client.config.user_id)]
        if len(orphans) > len(mine):
            note(f"{len(orphans) - len(mine):,} orphaned of other people; not deleted")
        for why, count in _doubts(rows, verdicts).items():
            note(f"{count:,} left alone: {why}")
        if arguments.dry_run:
            printer = ObjectPrinter(sandboxes(), arguments)
            printer.add(mine)
            printer.end()
            return 0
        if not mine:
            note("no orphaned sandboxes")
            return 0
        return await delete_planned(make_plan(DELETE, mine), client, connection, arguments)

    return run_connected(arguments, work)


async def _leased(client: AsyncSandboxClient, text: str, older_than: float | None) -> list[Row]:
    """Return the active sandboxes with a lease that match."""
    from sandtui.fleet.inventory.listing import matches

    query = read_query(text, client.config.user_id)
    now = SystemClock().now().timestamp()
    return [
        row
        async for page in matches(client, query, ended=False)
        for row in page
        if row.lease is not None and (older_than is None or now - row.created >= older_than)
    ]


async def _judged(judge: LeaseJudge, rows: Sequence[Row]) -> Mapping[LeaseMark, Verdict]:
    """Judge the owners; those that seem silent are watched until that is certain."""
    from sandtui.fleet.inventory.leases import judge_all

    marks = {row.lease for row in rows if row.lease is not None}
    verdicts = await asyncio.to_thread(judge_all, judge, marks)
    if wait := max((verdict.wait for verdict in verdicts.values()), default=0.0):
        note(f"watching for signs of life ({wait:.0f} s)")
        await asyncio.sleep(wait)
        verdicts = await asyncio.to_thread(judge_all, judge, marks)
    return verdicts


def _doubts(rows: Sequence[Row], verdicts: Mapping[LeaseMark, Verdict]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        why = "" if row.lease is None else verdicts[row.lease].doubt
        if why:
            found[why] = found.get(why, 0) + 1
    return found
