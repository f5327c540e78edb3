"""``sandtui fork``: create sandboxes with the files of a running one."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from sandtui.cli.checkpoint import taken
from sandtui.cli.connected import run_connected
from sandtui.cli.create import add_fields, joining, launch_plan, plan_of, print_plan, requests, require_journal
from sandtui.cli.output import JSON_LINES, add_output
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import EXIT_CODES, INTERRUPTED, complain, note

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection

_DESCRIPTION = """\
Create sandboxes with the files of a running one: one checkpoint of it, then as many sandboxes. They have its labels,
sizes, lifetime and network rules unless options change them, and neither its processes nor its variables, secrets and
command. {i} or {i:03} in the name, the command, variables and labels is the number of the fork. Prints each as it is
created; with --wait, when it is ready. The checkpoint stays: `sandtui checkpoint rm` deletes it.

  sandtui fork prepared --count 50 --name 'try-{i}' --wait
  sandtui fork prepared --matrix 'SEED=1,2,3 LR=0.1,0.01' --memory 8g
"""

_DECIDED = ("docker_image", "disk_size_gb", "arch", "kind")
"""Fields that the source decides."""

_INHERITED = (
    "name",
    "cpu_cores",
    "memory_gb",
    "gpu_count",
    "gpu_type",
    "timeout_minutes",
    "network",
    "region",
    "team_id",
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "fork",
        help="create sandboxes with the files of a running one",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui fork [options] NAME|ID",
    )
    parser.add_argument("target", metavar="NAME|ID", help="name of a running sandbox, its id, or the start of it")
    parser.add_argument("--wait", action="store_true", help="wait until every sandbox is ready")
    parser.add_argument("--dry-run", action="store_true", help="print what would be created, without creating it")
    add_fields(parser, _DECIDED, _INHERITED)
    add_output(parser, requests, sort=False, plain=JSON_LINES)
    parser.set_defaults(run=run, connects=True, changes=lambda chosen: "" if chosen.dry_run else "it creates sandboxes")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.fleet.checkpoints.forks import fork_fields, from_checkpoint

    check_words([arguments.target])
    if not arguments.dry_run:
        require_journal()

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        row = await resolve_one(client, arguments.target, only="RUNNING")
        # Before the checkpoint: what is not valid costs none.
        plan = plan_of(arguments, fork_fields(row.sandbox))
        if arguments.dry_run:
            return print_plan(from_checkpoint(plan, "NEW"), arguments)
        plan = await joining(plan, client, arguments)
        try:
            checkpoint = await taken(client, row)
        except asyncio.CancelledError:
            complain("interrupted: nothing was created; the checkpoint may still be taken (`sandtui checkpoint ls`)")
            return INTERRUPTED
        note(f"checkpoint {checkpoint.id} of {row.name or row.id} taken")
        return await launch_plan(from_checkpoint(plan, checkpoint.id), client, connection, arguments)

    return run_connected(arguments, work)
