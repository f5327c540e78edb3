"""``sandtui why``: why sandboxes died."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.output import (
    JSON,
    JSON_LINES,
    ObjectKind,
    ObjectPrinter,
    TextCell,
    TextColumn,
    add_output,
    as_json,
    colors,
    paint,
)
from sandtui.cli.targets import check_words, is_query, nothing_matches, read_query, resolve_one
from sandtui.cli.usage import EXIT_CODES, UsageError, note
from sandtui.config.deaths import DeathFile
from sandtui.config.paths import Paths
from sandtui.fleet.deaths.cause import has_died
from sandtui.fleet.deaths.death import Death, board
from sandtui.printable import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.deaths.death import CauseLine
    from sandtui.fleet.inventory.connection import Connection

_DESCRIPTION = """\
Tell why a sandbox died: the reason, the exit code, what was seen of it before, and the last lines of its log. What the
dashboard saw is kept for the last 5,000 deaths, also when the platform has forgotten them; what is not kept is asked.
With a QUERY, or none for all that is kept: how many died of which cause.

  sandtui why try-7
  sandtui why '#run=42'
"""

CAUSES: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="count", heading="DIED", cell=lambda line, _: f"{line.count:,}", right=True),
        TextColumn(id="cause", heading="CAUSE", cell=lambda line, _: TextCell(line.cause, "bad"), least=20),
        TextColumn(id="image", heading="MOSTLY IMAGE", cell=lambda line, _: _mostly(line), least=16, keep=2),
        TextColumn(
            id="latest", heading="LATEST", cell=lambda line, _: f"{line.latest.astimezone():%m-%d %H:%M}", keep=3
        ),
        TextColumn(id="example", heading="LAST TO DIE", cell=lambda line, _: line.example, least=12, keep=1),
    ),
    record=lambda line: {
        "cause": line.cause,
        "count": line.count,
        "image": line.image,
        "image_count": line.image_count,
        "latest": line.latest,
        "example": line.example,
    },
    name=lambda line: line.cause,
    fields={
        "cause": "what they died of",
        "count": "how many",
        "image": "the most frequent image of them",
        "image_count": "how many had it",
        "latest": "when the last one died, in ISO 8601",
        "example": "its name",
    },
)
"""What is printed of each cause."""


def _mostly(line: CauseLine) -> str:
    return line.image if line.image_count == line.count else f"{line.image} ({line.image_count:,})"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "why",
        help="why sandboxes died",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui why [options] [NAME|ID|QUERY]",
    )
    parser.add_argument(
        "target", metavar="NAME|ID|QUERY", nargs="?", help="a sandbox, or a filter (`sandtui help filter`)"
    )
    add_output(parser, lambda: CAUSES, sort=False)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    word: str | None = arguments.target
    stored = DeathFile(Paths.of_user().deaths)
    try:
        if word is None:
            deaths = stored.find()
            if not deaths:
                note("no deaths are kept: the dashboard keeps those that it sees")
            return _board(deaths, arguments)
        check_words([word])
        if is_query(word):
            return run_connected(arguments, lambda client, connection: _matching(client, connection, word, arguments))
        found = stored.find(word)
        if len({death.sandbox_id for death in found}) > 1:
            note(f"{len(found)} of this name died; this is the latest. The others: "
                 + ", ".join(death.sandbox_id for death in found[1:6]))  # fmt: skip
        # What was kept without a log is completed from the platform, if it still can be.
        if found and found[0].log is not None:
            return _one(found[0], arguments)
        return run_connected(arguments, lambda client, connection: _asked(client, connection, word, found, arguments))
    finally:
        stored.close()


def _board(deaths: list[Death], arguments: argparse.Namespace) -> int:
    printer = ObjectPrinter(CAUSES, arguments)
    printer.add(board(deaths))
    printer.end()
    return 0


async def _matching(
    client: AsyncSandboxClient, connection: Connection, text: str, arguments: argparse.Namespace
) -> int:
    from sandtui.fleet.inventory.listing import matches

    query = read_query(text, client.config.user_id)
    rows = [row async for page in matches(client, query, ended=True) for row in page]
    if not rows:
        raise UsageError(nothing_matches(text, ended=True))
    died = [row for row in rows if has_died(row.sandbox)]
    note(f"{len(died):,} of {len(rows):,} died")
    return _board([Death.of(row, connection.label) for row in died], arguments)


async def _asked(
    client: AsyncSandboxClient, connection: Connection, word: str, found: list[Death], arguments: argparse.Namespace
) -> int:
    from sandtui.client import SandboxClientError
    from sandtui.fleet.inventory.log_ends import last_lines

    try:
        row = await resolve_one(client, found[0].sandbox_id if found else word, ended=True)
        if not row.sandbox.is_finished:
            raise UsageError(f'"{row.name or row.id}" has not ended: it is {row.status.lower()}')
        death = found[0] if found else Death.of(row, connection.label)
        death = death.with_log(last_lines(await client.get_logs(row.id), 200))
    except (SandboxClientError, UsageError):
        if not found:
            raise
        death = found[0]
    return _one(death, arguments)


def _one(death: Death, arguments: argparse.Namespace) -> int:
    if arguments.output in {JSON, JSON_LINES}:
        print(as_json(_record(death), 2 if arguments.output == JSON else None))
        return 0
    color = colors(arguments.options)

    def line(name: str, text: str, role: str = "") -> None:
        if text:
            label = paint(f"{name}:", "dim", color=color) + " " * (10 - len(name))
            print(label + paint(clean(text), role, color=color))

    line("name", death.name)
    line("id", death.sandbox_id)
    line("context", death.context)
    line("image", death.image)
    line("size", death.size)
    line("labels", " ".join(death.labels))
    line("died", f"{death.ended.astimezone():%Y-%m-%d %H:%M:%S}" + ("" if death.seen else " (not watched)"))
    line("cause", death.cause, "bad")
    line("reason", death.reason)
    line("exit code", "" if death.exit_code is None else str(death.exit_code))
    line("used", death.used)
    print()
    for event in death.events:
        print(
            f"{event.moment.astimezone():%m-%d %H:%M:%S}  {paint(clean(event.words), 'bad' * event.bad, color=color)}"
        )
    if death.log is not None:
        print(f"\n{paint('the end of its log:', 'dim', color=color)}")
        print("\n".join(map(clean, death.log)) or "(empty)")
    return 0


def _record(death: Death) -> dict[str, object]:
    fields = {name: getattr(death, name) for name in death.__dataclass_fields__}
    events = [{"time": event.moment, "text": event.words, "bad": event.bad} for event in death.events]
    return fields | {"events": events}
