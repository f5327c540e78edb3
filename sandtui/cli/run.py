"""``sandtui run``: one command in all sandboxes that a filter finds, equal outputs folded together."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli import selection
from sandtui.cli.streams import piped_input
from sandtui.cli.usage import UsageError, complain
from sandtui.directories import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.commands.fanout import FanOut, Target
    from sandtui.fleet.inventory.row import Row

NOT_REACHED, INTERRUPTED = 3, 130

_DESCRIPTION = """\
Run a command in every running sandbox that a filter finds, many at a time, and fold equal outputs together; what
differs from the largest group is marked (~ changed, + added, - missing, ! on stderr).

Standard input, when it is a pipe or a file, goes to the command in each of them. An empty query, or more than 10
sandboxes, are asked about on a terminal; elsewhere they need --yes or --all.

One word after -- is a line for the sandbox's shell; several are passed on as they are, each quoted:
  sandtui run '#run=42' -- 'cd /workspace && git rev-parse HEAD'
  sandtui run 'image:python* age<2h' --json -- python -c 'import torch'
"""
_EPILOG = """\
exit codes: 0 every command ended with 0; 1 some did not, or not in time; 2 wrong usage, or nothing matches;
3 some sandbox could not be reached; 130 after ctrl+c, which still tells what has come."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "run",
        help="run a command in many sandboxes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="sandtui run [options] QUERY -- COMMAND ...",
    )
    parser.add_argument("query", metavar="QUERY", nargs="?", help="which sandboxes, as in the dashboard's filter")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="the command, after --")
    selection.add_options(parser)
    parser.add_argument("-n", "--no-stdin", action="store_true", help="leave standard input alone")
    parser.add_argument("--stdin", action="store_true", help="wait for standard input, however late it begins")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each sandbox as it ends, no groups")
    parser.add_argument("--no-diff", action="store_true", help="show each group's output without marks")
    parser.add_argument("--save", type=Path, metavar="PATH", help="keep all output: a new folder, or a .jsonl file")
    parser.add_argument("--timeout", type=_number, default=300, metavar="S", help="seconds for each (300, at most 900)")
    parser.add_argument("--at-once", type=_number, metavar="N", help="how many at the same time (64)")
    parser.set_defaults(run=run, connects=True, changes=lambda _: "a command may change anything")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.client import InvalidRequestError, shell_words
    from sandtui.client.toolkit import check_command

    text, words = _query_and_command(arguments)
    command = words[0] if len(words) == 1 else shell_words.line(words)
    selection.check(text)
    try:
        check_command(command, None, arguments.timeout)
    except InvalidRequestError as error:
        raise UsageError(str(error)) from None
    if arguments.save is not None and (problem := _unusable(arguments.save)):
        raise UsageError(problem)
    if arguments.stdin and arguments.no_stdin:
        raise UsageError("--stdin and --no-stdin exclude each other")
    stdin = b"" if arguments.no_stdin else piped_input(wait=arguments.stdin)
    return asyncio.run(_run(text, command, stdin, arguments))


def _query_and_command(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the two, of which ``--`` stands between: what stands after it is never taken for ours."""
    query: str | None = arguments.query
    words: list[str] = arguments.command
    tail: list[str] | None = arguments.tail
    if tail is not None:
        if words:
            raise UsageError(f"one QUERY goes before --, not {len(words) + 1} words; quote a query that has blanks")
        if query is None and not arguments.all and tail[1:2] == ["--"]:
            # A query that begins with a dash, after a -- of its own.
            query, tail = tail[0], tail[2:]
        words = tail
    if query is None:
        if not arguments.all:
            raise UsageError("which sandboxes? Write a QUERY before --, or --all")
        query = ""
    if not words:
        raise UsageError("a command is missing after --")
    return query, words


async def _run(text: str, command: str, stdin: bytes, arguments: argparse.Namespace) -> int:
    from sandtui.cli.connect import connect_command
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.inventory.session import ConnectError

    try:
        connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            query, running = await selection.select(client, text)
            await selection.confirm(arguments, "run the command in", query, running)
            return await _fan_out(client, running, command, stdin, arguments)
    except (ConnectError, SandboxClientError) as error:
        complain(error)
        return NOT_REACHED


async def _fan_out(
    client: AsyncSandboxClient, rows: Sequence[Row], command: str, stdin: bytes, arguments: argparse.Namespace
) -> int:
    from sandtui.fleet.clock import SystemClock
    from sandtui.fleet.commands.fanout import AT_ONCE, FanOut
    from sandtui.fleet.commands.fanout.save import record, save
    from sandtui.fleet.commands.fanout.text import exit_code, report

    def tell(target: Target) -> None:
        if arguments.json:
            print(json.dumps(record(target)), flush=True)

    fan_out = FanOut(
        command,
        rows,
        client,
        SystemClock(),
        timeout=arguments.timeout,
        at_once=arguments.at_once or AT_ONCE,
        on_end=tell,
        stdin=stdin,
    )
    if sys.stderr.isatty():
        fan_out.on_change = lambda: _progress(fan_out)
    with contextlib.suppress(asyncio.CancelledError):
        await fan_out.run()
    # What has come until ctrl+c is told nevertheless.
    task = asyncio.current_task()
    stopped = task is not None and task.cancelling() > 0
    if not arguments.json:
        for line in report(fan_out, differences=not arguments.no_diff):
            print(line)
    if arguments.save is not None:
        try:
            what = await asyncio.to_thread(save, fan_out, arguments.save)
        except OSError as error:
            complain(f"the output was not saved: {describe(error)}")
            return max(exit_code(fan_out), 1)
        complain(f"{what} written to {arguments.save}")
    return INTERRUPTED if stopped else exit_code(fan_out)


def _progress(fan_out: FanOut) -> None:
    done = sum(target.is_over for target in fan_out.targets)
    end = "\r\x1b[K" if fan_out.is_over else ""
    print(f"\r{done:,} of {len(fan_out.targets):,} …{end}", end="", file=sys.stderr, flush=True)


def _unusable(path: Path) -> str:
    if path.exists():
        return f"{path} already exists: choose another name"
    return "" if path.parent.is_dir() else f"no such directory: {path.parent}"


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return number
