"""``sandtui rm``: delete sandboxes, after the same plan and question as in the dashboard."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.ls import sandboxes
from sandtui.cli.output import ObjectKind, ObjectPrinter, add_output
from sandtui.cli.targets import check_words, everyone, nothing_matches, resolve
from sandtui.cli.usage import EXIT_CODES, UsageError
from sandtui.clock import SystemClock

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.bulk_plan import BulkPlan
    from sandtui.fleet.inventory.connection import Connection

_DESCRIPTION = """\
Delete sandboxes: by name, by id, or all that match a filter. Shows what would be deleted and asks; for more than 10
the number is typed. Scripts add --yes. Prints a result for each.

  sandtui rm trainer try-1
  sandtui rm '#run=42 status:error' --yes
  sandtui rm --all --dry-run
"""


def results() -> ObjectKind[Any]:
    """Return what is printed of each deletion."""
    from sandtui.cli.bulk import BULK_RESULTS

    return BULK_RESULTS


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("rm", help="delete sandboxes", description=_DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="*", help="names, ids, or a filter (`sandtui help filter`)"
    )
    parser.add_argument("-a", "--all", action="store_true", help="all sandboxes that have not ended")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, without deleting it")
    add_output(parser, results, sort=False)
    parser.set_defaults(run=run, connects=True, changes=lambda chosen: "" if chosen.dry_run else "it deletes sandboxes")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    words: list[str] = arguments.targets
    if arguments.all and words:
        raise UsageError("--all and a target cannot be combined")
    if not words and not arguments.all:
        raise UsageError("nothing to delete: name sandboxes or a filter, or use --all")
    check_words(words)

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        from sandtui.fleet.inventory.bulk_plan import DELETE, make_plan, why_none

        rows = await resolve(client, words) if words else await everyone(client, ended=False)
        if not rows:
            raise UsageError(nothing_matches("", ended=False))
        plan = make_plan(DELETE, rows)
        if not plan.rows:
            raise UsageError(why_none(DELETE, rows, marked=False))
        if arguments.dry_run:
            printer = ObjectPrinter(sandboxes(), arguments)
            printer.add(plan.rows)
            printer.end()
            return 0
        return await delete_planned(plan, client, connection, arguments)

    return run_connected(arguments, work)


async def delete_planned(
    plan: BulkPlan, client: AsyncSandboxClient, connection: Connection, arguments: argparse.Namespace
) -> int:
    """Delete what a plan says, once it is confirmed; print a result for each and return the exit code.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    from sandtui.cli.bulk import confirm_plan, follow_bulk
    from sandtui.fleet.inventory.bulk import AT_ONCE, BulkRun
    from sandtui.fleet.inventory.deletion import BATCHES_AT_ONCE, deletion, deletion_batch
    from sandtui.fleet.inventory.store import FleetStore

    await confirm_plan(plan, connection, yes=arguments.yes)
    clock = SystemClock()
    store = FleetStore(clock)
    store.apply(row.sandbox for row in plan.rows)
    batch = deletion_batch(plan.count)
    at_once = AT_ONCE if batch == 1 else BATCHES_AT_ONCE
    work = deletion(client, store, plan.count)
    bulk = BulkRun(plan.title, plan.rows, work, clock, at_once=at_once, batch=batch)
    return await follow_bulk(bulk, arguments, "deleting")
