"""``sandtui logs``: the logs of sandboxes, one after the other or followed side by side."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sandtui.cli.arguments import positive
from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import as_json, colors
from sandtui.cli.streams import check_output
from sandtui.cli.targets import check_words, resolve
from sandtui.cli.usage import EXIT_CODES, INTERRUPTED, complain, note
from sandtui.fleet.text.carriage_returns import COLOR_CODE, last_state
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Print the logs of sandboxes: the output of their start commands, and notes of the platform. Lines of several begin with
the name of their sandbox.

  sandtui logs trainer --tail 100
  sandtui logs -f '#run=42'
  sandtui logs status:error --tail 5

The logs of background jobs are printed by `sandtui jobs logs`. With -o jsonl each line is an object with the fields id,
name and line. Following ends when all of the sandboxes have ended.
"""

FOLLOW_SECONDS = 3.0
"""Between two reads of a followed log: the platform allows 300 requests per minute (client/WIRE.md 2.1)."""

STATUS_EVERY = 3
"""Reads between two questions whether the sandboxes still run."""

AT_ONCE = 8
OVERLAP_LINES = 20
"""Lines at the end of what was printed that are looked for in a log that no longer begins as it did."""

PREFIX_COLORS = ("36", "33", "32", "35", "34", "31")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("logs", help="print or follow logs", description=_DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="+", help="names, ids, or a filter (`sandtui help filter`)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what is added")
    parser.add_argument("-n", "--tail", dest="last", type=positive, metavar="N", help="the last lines of each only")
    parser.add_argument(
        "--prefix",
        action=argparse.BooleanOptionalAction,
        help="begin each line with the name of its sandbox (default: if there are several)",
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "jsonl"), default="text", metavar="FORMAT", help="text (default) or jsonl"
    )
    parser.set_defaults(run=run, connects=True, changes=lambda _: "")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    check_output()
    check_words(arguments.targets)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        rows = await resolve(client, arguments.targets, ended=False, plain_queries=True)
        prefixed = len(rows) > 1 if arguments.prefix is None else arguments.prefix
        logs = [
            FollowedLog(row, place, arguments, prefixed=prefixed, color=colors(arguments.options))
            for place, row in enumerate(rows)
        ]
        try:
            return await (_follow(client, logs) if arguments.follow else _print(client, logs))
        except asyncio.CancelledError:
            return INTERRUPTED

    return run_connected(arguments, work)


class FollowedLog:
    """What was printed of a log, and how its lines look."""

    def __init__(self, row: Row, place: int, arguments: argparse.Namespace, *, prefixed: bool, color: bool) -> None:
        self.id = row.id
        self.name = row.name or row.id
        self.ended = row.sandbox.is_finished
        self._tail: int | None = arguments.last
        self._json = arguments.output == "jsonl"
        self._seen: list[str] | None = None
        self._rest = ""
        shade = PREFIX_COLORS[place % len(PREFIX_COLORS)]
        prefix = f"[{clean(self.name)}] "
        self._prefix = "" if not prefixed else f"\x1b[{shade}m{prefix}\x1b[0m" if color else prefix

    def take(self, text: str, *, last: bool) -> None:
        """Print what is new in a log; an unfinished line waits, unless this is the last time."""
        lines = text.split("\n")
        rest = lines.pop()
        if last and rest:
            lines.append(rest)
        fresh = lines if self._seen is None else added(self._seen, lines)
        if self._seen is None and self._tail is not None:
            fresh = fresh[-self._tail :]
        self._seen = lines
        self.write(fresh)

    def write(self, lines: Sequence[str]) -> None:
        """Print lines."""
        if not lines:
            return
        if self._json:
            shown: Iterator[str] = (as_json({"id": self.id, "name": self.name, "line": line}) for line in lines)
        else:
            shown = (f"{self._prefix}{plain(line)}" for line in lines)
        sys.stdout.write("".join(f"{line}\n" for line in shown))
        sys.stdout.flush()


def plain(line: str) -> str:
    """Return a line of output that is safe to print: without colors, as the last carriage return left it."""
    text = COLOR_CODE.sub("", line) if "\x1b" in line else line
    return "\t".join(map(clean, last_state(text).split("\t")))


def added(before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    """Return the lines that a log has more than before; its beginning may have been cut off."""
    if not before or list(after[: len(before)]) == list(before):
        return after[len(before) :]
    end = list(before[-OVERLAP_LINES:])
    for place in range(len(after) - len(end), -1, -1):
        if list(after[place : place + len(end)]) == end:
            return after[place + len(end) :]
    for length in range(min(len(end), len(after)), 0, -1):
        if list(after[:length]) == end[-length:]:
            return after[length:]
    return after


async def _print(client: AsyncSandboxClient, logs: Sequence[FollowedLog]) -> int:
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(log: FollowedLog) -> str:
        async with gate:
            return await client.get_logs(log.id)

    tasks = [asyncio.ensure_future(read(log)) for log in logs]
    code = 0
    try:
        for log, task in zip(logs, tasks, strict=True):
            code = await _take(log, task) or code
    finally:
        for task in tasks:
            task.cancel()
    return code


async def _take(log: FollowedLog, task: asyncio.Future[str], *, last: bool = True) -> int:
    """Print a log as it arrives; report why it does not."""
    from sandtui.client import SandboxClientError

    try:
        log.take(await task, last=last)
    except SandboxClientError as error:
        complain(f"{log.name}: {error}")
        return exit_code_of(error)
    return 0


async def _follow(client: AsyncSandboxClient, logs: Sequence[FollowedLog]) -> int:
    from sandtui.client import SandboxClientError
    from sandtui.fleet.inventory.statuses import StatusPoll

    statuses = StatusPoll(client)
    left = list(logs)
    rounds = code = 0
    while left:
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(log: FollowedLog) -> int:
            async with gate:  # noqa: B023 - it is awaited below
                return await _take(log, asyncio.ensure_future(client.get_logs(log.id)), last=log.ended)

        found = await asyncio.gather(*map(read, left))
        code = max(code, *found)
        # What fails once would fail each time; what has ended has been printed to its end.
        left = [log for log, failure in zip(left, found, strict=True) if not failure and not log.ended]
        rounds += 1
        if not left:
            break
        if rounds % STATUS_EVERY == 1:
            try:
                known = await statuses.ask([log.id for log in left])
            except SandboxClientError:
                known = {}
            for log in left:
                log.ended = log.id in known and known[log.id].is_over
        await asyncio.sleep(FOLLOW_SECONDS)
    note(f"{len(logs):,} sandbox{'es have' if len(logs) > 1 else ' has'} ended")
    return code
