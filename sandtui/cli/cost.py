"""``sandtui cost``: what sandboxes cost, each or together."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.targets import nothing_matches, read_query
from sandtui.cli.usage import EXIT_CODES, UsageError, note
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.cost import Cost, current_rates, money

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Print what the sandboxes that match QUERY cost: an estimate by the rates of the settings ([cost]; a tilde marks
estimates), and what the platform has billed, where it says so. The two are never added up. With --by, sandboxes are
added up by a label's value (label:run), image, user, team, status, owner or label.

  sandtui cost '#run=42'
  sandtui cost --all --by label:run -o json
"""


@dataclass(frozen=True, slots=True)
class CostLine:
    """A line: a sandbox, or a group."""

    name: str
    cost: Cost
    id: str | None = None


def _estimate(line: CostLine) -> float | None:
    return line.cost.estimate if line.cost.unpriced < line.cost.count else None


def _per_hour(line: CostLine) -> float | None:
    return line.cost.per_hour if line.cost.unpriced < line.cost.count else None


def _billed(line: CostLine) -> float | None:
    return line.cost.billed if line.cost.unbilled < line.cost.count else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _about(value: float | None) -> str | None:
    return None if value is None else f"~{money(value)}"


COSTS: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="name", heading="NAME", cell=lambda line, _: line.name, least=12, sort=lambda line: line.name),
        TextColumn(
            id="count",
            heading="COUNT",
            cell=lambda line, _: f"{line.cost.count:,}",
            right=True,
            keep=3,
            sort=lambda line: line.cost.count,
            descending=True,
        ),
        TextColumn(
            id="hour",
            heading="PER HOUR",
            cell=lambda line, _: _about(_per_hour(line)),
            right=True,
            keep=1,
            sort=lambda line: _per_hour(line) or 0.0,
            descending=True,
        ),
        TextColumn(
            id="estimate",
            heading="ESTIMATE",
            cell=lambda line, _: _about(_estimate(line)),
            right=True,
            sort=lambda line: _estimate(line) or 0.0,
            descending=True,
        ),
        TextColumn(
            id="billed",
            heading="BILLED",
            right=True,
            keep=2,
            sort=lambda line: _billed(line) or 0.0,
            cell=lambda line, _: None if _billed(line) is None else money(_billed(line) or 0.0),
            descending=True,
        ),
    ),
    record=lambda line: {
        "name": line.name,
        "id": line.id,
        "count": line.cost.count,
        "per_hour_usd": _rounded(_per_hour(line)),
        "estimate_usd": _rounded(_estimate(line)),
        "without_estimate": line.cost.unpriced,
        "billed_usd": _rounded(_billed(line)),
        "without_bill": line.cost.unbilled,
    },
    name=lambda line: line.name,
    fields={
        "name": "of the sandbox, or the value that it is grouped by",
        "id": "of the sandbox; null for a group",
        "count": "how many sandboxes",
        "per_hour_usd": "estimated dollars an hour from now on; null without rates",
        "estimate_usd": "estimated dollars so far; null without rates",
        "without_estimate": "how many of them have no estimate",
        "billed_usd": "dollars that the platform has billed; null if it does not say",
        "without_bill": "for how many of them it does not say",
    },
)
"""What is printed of each."""  # fmt: skip


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "cost",
        help="what sandboxes cost",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui cost [options] [QUERY]",
    )
    parser.add_argument("query", metavar="QUERY", nargs="*", help="filter expression (`sandtui help filter`)")
    parser.add_argument("-a", "--all", action="store_true", help="also those that have ended")
    parser.add_argument("--by", metavar="GROUP", help="add up: label:NAME, label, image, user, team, status, owner")
    add_output(parser, lambda: COSTS)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.fleet.inventory.groups import GROUPINGS, grouping, make_groups

    text = " ".join(arguments.query)
    read_query(text)
    by = None if arguments.by is None else grouping(arguments.by)
    if arguments.by is not None and (by is None or arguments.by == "label:"):
        names = ", ".join(["label:NAME", *(each.id for each in GROUPINGS)])
        raise UsageError(f'--by: no group "{arguments.by}"; use one of {names}')
    rates = current_rates()
    printer = ObjectPrinter(COSTS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.inventory.bill import billed

        amounts = await billed(client)
        if not rates and not amounts:
            raise UsageError(
                "no costs are known: the platform has no bills, and [cost] of the settings has no rates "
                "(`sandtui help cost`)"
            )
        rows = await _matching(client, text, ended=arguments.all)
        for row in rows:
            row.billed = (amounts or {}).get(row.id)
        now = SystemClock().now().timestamp()
        if by is None:
            lines = [CostLine(row.name, Cost.of([row], now), row.id) for row in rows]
        else:
            lines = [CostLine(group.key, Cost.of(group.rows, now)) for group in make_groups(rows, by)]
        printer.add(lines)
        printer.end()
        total = Cost.of(rows, now)
        if total.is_known:
            hour = f", ~{money(total.per_hour)} an hour" if rates else ""
            note(f"{total.count:,} sandbox{'es' * (total.count != 1)}: {total.text()}{hour}")
        elif not rows:
            note(nothing_matches(text, ended=arguments.all, advice=" (ended ones: --all)"))
        return 0

    return run_connected(arguments, work)


async def _matching(client: AsyncSandboxClient, text: str, *, ended: bool) -> list[Row]:
    from sandtui.fleet.inventory.listing import asks_for_ended, matches

    query = read_query(text, client.config.user_id)
    ended = ended or asks_for_ended(query)
    return [row async for page in matches(client, query, ended=ended) for row in page]
