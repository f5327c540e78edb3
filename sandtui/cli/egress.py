"""``sandtui egress``: which hosts a running sandbox may connect to."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import EXIT_CODES, UsageError
from sandtui.fleet.inventory.connection import Connection

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient, EgressPolicyReply
    from sandtui.fleet.inventory.egress import EgressLists

_DESCRIPTION = """\
Show which hosts a running sandbox may connect to, or change it. --allow and --deny replace the whole policy. Entries
are host names, *.names below one, IPv4 addresses and networks, with :PORT or :LOW-HIGH behind them.

  sandtui egress trainer
  sandtui egress trainer --allow pypi.org '*.debian.org' 10.1.0.0/16:443
  sandtui egress trainer --deny 169.254.0.0/16
  sandtui egress trainer --clear
"""


@dataclass(frozen=True, slots=True)
class EgressOfSandbox:
    """The egress policy of a sandbox, as the platform has it."""

    id: str
    name: str
    reply: EgressPolicyReply


def _words(each: EgressOfSandbox) -> str:
    from sandtui.fleet.inventory.egress import EgressLists

    return str(EgressLists.of(each.reply.policy))


def _applied(each: EgressOfSandbox) -> TextCell:
    return TextCell("yes", "good") if each.reply.applied else TextCell("not yet", "busy")


EGRESS: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="ID", cell=lambda each, _: each.id, keep=1),
        TextColumn(id="name", heading="NAME", cell=lambda each, _: each.name, least=12),
        TextColumn(id="egress", heading="EGRESS", cell=lambda each, _: _words(each), least=20),
        TextColumn(id="applied", heading="IN FORCE", cell=lambda each, _: _applied(each)),
    ),
    record=lambda each: {
        "id": each.id,
        "name": each.name,
        "allow": each.reply.policy.allowlist,
        "deny": each.reply.policy.denylist,
        "applied": each.reply.applied,
        **(each.reply.model_extra or {}),
    },
    name=lambda each: each.name or each.id,
    fields={
        "id": "ID",
        "name": "Name",
        "allow": "the only hosts that it may reach; [] is none; null if there is no such list",
        "deny": "the hosts that it may not reach; null if there is no such list",
        "applied": "whether this is in force already",
    },
)
"""What is printed of the policy."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "egress", help="show or change which hosts a sandbox may reach", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    parser.add_argument("sandbox", metavar="NAME|ID", help="name of the sandbox, its id, or the start of it")
    parser.add_argument("--allow", nargs="+", action="extend", metavar="HOST", help="only these")
    parser.add_argument("--deny", nargs="+", action="extend", metavar="HOST", help="all but these")
    parser.add_argument("--clear", action="store_true", help="all hosts")
    parser.add_argument("--block", action="store_true", help="none")
    add_output(parser, lambda: EGRESS, sort=False)
    parser.set_defaults(
        run=run,
        connects=True,
        changes=lambda chosen: "it changes the egress lists" if wanted_lists(chosen) is not None else "",
    )


def wanted_lists(arguments: argparse.Namespace) -> EgressLists | None:
    """Return the lists to set; None to show them.

    Raises:
        UsageError: options exclude each other, or an entry is not valid.
    """
    from sandtui.fleet.inventory.egress import EgressLists

    given = {
        "--allow": arguments.allow and f"allow {' '.join(arguments.allow)}",
        "--deny": arguments.deny and f"deny {' '.join(arguments.deny)}",
        "--clear": arguments.clear and "open",
        "--block": arguments.block and "blocked",
    }
    chosen = {option: text for option, text in given.items() if text}
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} cannot be combined: the policy is a single list")
    for option, text in chosen.items():
        try:
            return EgressLists.parse(text)
        except ValueError as problem:
            raise UsageError(f"{option}: {problem}") from None
    return None


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    check_words([arguments.sandbox])
    lists = wanted_lists(arguments)
    printer = ObjectPrinter(EGRESS, arguments, single=True)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.inventory.egress import replace_egress

        row = await resolve_one(client, arguments.sandbox, only="RUNNING")
        if lists is None:
            reply = await client.get_network(row.id)
        else:
            reply = await replace_egress(client, row.id, lists)
        printer.add([EgressOfSandbox(row.id, row.name, reply)])
        printer.end()
        return 0

    return run_connected(arguments, work)
