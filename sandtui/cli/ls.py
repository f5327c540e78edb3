"""``sandtui ls``: the sandboxes that match a filter."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.output import JSON, ObjectKind, ObjectPrinter, add_output
from sandtui.cli.progress import ProgressLine
from sandtui.cli.targets import nothing_matches, read_query
from sandtui.cli.usage import EXIT_CODES, USAGE_ERROR, UsageError, complain, note, on_terminal
from sandtui.fleet.inventory.connection import Connection

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
List the sandboxes that match QUERY, in the platform's order. Rows are printed as the pages arrive. Sandboxes that have
ended are left out, unless QUERY is about them (status:error, ended<1h) or with --all. With --watch, a sandbox is
printed again when it has changed, also for the last time when it no longer matches.

  sandtui ls '#run=42 age>2h'
  sandtui ls status:error --columns id,name,reason
  sandtui ls -o json | jq -r '.[] | select(.gpu_count > 0) | .id'
"""


def sandboxes() -> ObjectKind[Any]:
    """Return what is printed of sandboxes."""
    from sandtui.cli.sandboxes import SANDBOXES

    return SANDBOXES


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "ls",
        aliases=["ps"],
        help="list sandboxes",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui ls [options] [QUERY]",
    )
    parser.add_argument("query", metavar="QUERY", nargs="*", help="filter expression (`sandtui help filter`)")
    parser.add_argument("-a", "--all", action="store_true", help="also those that have ended")
    parser.add_argument("-w", "--watch", action="store_true", help="go on, and print each that is new or has changed")
    add_output(parser, sandboxes)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    text = " ".join(arguments.query)
    read_query(text)
    if arguments.watch and (arguments.output == JSON or arguments.sort is not None):
        raise UsageError(f"--watch can't be combined with {'--sort' if arguments.sort else '-o json; use -o jsonl'}")
    printer = ObjectPrinter(sandboxes(), arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.inventory.listing import asks_for_ended, matches

        query = read_query(text, client.config.user_id)
        ended = arguments.all or asks_for_ended(query)
        if arguments.watch:
            from sandtui.cli.watching import watch

            return await watch(client, query, printer, ended=ended)
        everyone: list[Row] = []
        # Rows on a terminal are progress enough.
        progress = ProgressLine("listing", 1)
        update = (lambda *_: None) if on_terminal("stdout") and arguments.sort is None else progress.update_of
        try:
            async for rows in matches(client, query, ended=ended, on_page=update):
                printer.add(rows)
                everyone += rows
        finally:
            progress.clear()
            printer.end()
        if not query:
            from sandtui.cli.fleet_names import save_names

            save_names(arguments.options.context_words, everyone)
        if printer.count:
            return 0
        (complain if query else note)(nothing_matches(text, ended=ended, advice=" (ended ones: --all)"))
        return USAGE_ERROR if query else 0

    return run_connected(arguments, work)
