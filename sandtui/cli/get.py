"""``sandtui get``: everything about one sandbox."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from sandtui.cli.connected import run_connected
from sandtui.cli.ls import sandboxes
from sandtui.cli.output import ObjectPrinter, add_output, as_json, colors, paint
from sandtui.cli.targets import resolve
from sandtui.cli.usage import EXIT_CODES
from sandtui.fleet.inventory.connection import Connection
from sandtui.printable import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Show everything about a sandbox, also about one that has ended. Without -o, a line for each field that has a value.
Of variables and secrets only the names are shown.

  sandtui get trainer
  sandtui get sbx_1f0e -o json | jq .labels
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "get", help="show everything about a sandbox", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    parser.add_argument("sandbox", metavar="NAME|ID", nargs="+", help="name of a sandbox, its id, or the start of it")
    add_output(parser, sandboxes, sort=False)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    whole = arguments.output is None and arguments.columns is None
    printer = ObjectPrinter(sandboxes(), arguments, single=len(arguments.sandbox) == 1)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        rows = await resolve(client, arguments.sandbox, ended=True)
        if whole:
            print("\n".join(_page(row, color=colors(arguments.options)) for row in rows), end="")
            return 0
        printer.add(rows)
        printer.end()
        return 0

    return run_connected(arguments, work)


def _page(row: Row, *, color: bool) -> str:
    record = sandboxes().record(row)
    shown = {name: _text(value) for name, value in record.items()}
    return "".join(
        f"{paint(f'{clean(name)}:', 'dim', color=color)}{' ' * (26 - len(name))}{text}\n"
        for name, text in shown.items()
        if text
    )


def _text(value: object) -> str:
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return clean(" ".join(value))
    text = value.isoformat() if isinstance(value, datetime) else value
    return clean(text) if isinstance(text, str) else clean(as_json(text))
