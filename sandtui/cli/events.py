"""``sandtui events``: the activity of the dashboard as JSON lines."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandtui.cli.arguments import positive, seconds
from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.output import JSON, JSON_LINES, TABLE, ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output
from sandtui.cli.usage import EXIT_CODES, FAILURE, INTERRUPTED, UsageError, complain
from sandtui.config.paths import Paths
from sandtui.directories import describe

if TYPE_CHECKING:
    from sandtui.fleet.activity.entry import ActivityEntry

_DESCRIPTION = """\
Print what was done in the dashboard and what went wrong, the oldest first: a line of JSON for each entry, without
secrets. WORDs narrow it to the entries that contain them, in themselves or in their API requests.

  sandtui events --since 1h
  sandtui events -f error | jq -r .text
"""

FOLLOW_SECONDS = 1.0

_ROLES = {"error": "bad", "warning": "busy"}

EVENTS: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="time", heading="TIME", cell=lambda entry, _: f"{entry.moment.astimezone():%Y-%m-%d %H:%M:%S}"),
        TextColumn(
            id="kind", heading="KIND", cell=lambda entry, _: TextCell(entry.kind, _ROLES.get(entry.kind, "")), keep=1
        ),
        TextColumn(id="context", heading="CONTEXT", cell=lambda entry, _: entry.context, least=10, keep=2),
        TextColumn(id="text", heading="TEXT", cell=lambda entry, _: entry.text, least=30),
    ),
    record=lambda entry: {
        "time": entry.moment,
        "kind": entry.kind,
        "context": entry.context,
        "text": entry.text,
        "trace": entry.trace or None,
        "requests": entry.requests,
        "failed_requests": entry.failed,
    },
    name=lambda entry: entry.text,
    fields={
        "time": "in ISO 8601",
        "kind": "did (what the user did), information, warning or error",
        "context": "the connection that it belongs to",
        "text": "what happened",
        "trace": "the id of its API requests, or null",
        "requests": "how many API requests it caused",
        "failed_requests": "how many of them failed",
    },
)
"""What is printed of each entry."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("events", help="print the activity log", description=_DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument("words", metavar="WORD", nargs="*", help="only entries that contain all of these")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what is added")
    parser.add_argument("-n", "--tail", dest="last", type=positive, metavar="N", help="only the last entries")
    parser.add_argument("--since", type=seconds, metavar="TIME", help="only entries of the last 90s, 10m, 2h, 1d")
    add_output(parser, lambda: EVENTS, sort=False, formats=(JSON_LINES, JSON, TABLE))
    parser.set_defaults(run=run, takes=NOTHING, why_not=NO_PLATFORM)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.config.activity import SqliteActivity

    arguments.output = arguments.output or JSON_LINES
    if arguments.follow and arguments.output == JSON:
        raise UsageError("--follow can't be combined with -o json; use -o jsonl")
    printer = ObjectPrinter(EVENTS, arguments)
    activity = SqliteActivity(Paths.of_user().activity)
    seen: set[ActivityEntry] = set()
    first = True
    try:
        while True:
            found = [entry for entry in reversed(activity.search(" ".join(arguments.words))) if entry not in seen]
            seen.update(found)
            printer.add(_chosen(found, arguments) if first else found)
            first = False
            if not arguments.follow:
                printer.end()
                return 0
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain(f"cannot read the activity log: {describe(error)}")
        return FAILURE
    finally:
        activity.close()


def _chosen(entries: list[ActivityEntry], arguments: argparse.Namespace) -> list[ActivityEntry]:
    if arguments.since is not None:
        start = datetime.now(UTC) - timedelta(seconds=arguments.since)
        entries = [entry for entry in entries if entry.moment >= start]
    return entries if arguments.last is None else entries[-arguments.last :]
