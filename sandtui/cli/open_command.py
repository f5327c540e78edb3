"""``sandtui open``: the dashboard at one sandbox."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sandtui.cli.connected import run_connected
from sandtui.cli.dashboard import check_terminal, open_dashboard
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import EXIT_CODES

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "open",
        help="open the dashboard at a sandbox",
        description="Open the dashboard with the details of a sandbox; escape leads to the list of all.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("sandbox", metavar="NAME|ID", help="name of a sandbox, its id, or the start of it")
    parser.set_defaults(run=run, connects=True, changes=lambda _: "")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if code := check_terminal():
        return code
    check_words([arguments.sandbox])
    found: list[str] = []

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        found.append((await resolve_one(client, arguments.sandbox, ended=True)).id)
        return 0

    code = run_connected(arguments, work)
    return code or open_dashboard(arguments.options, found[0])
