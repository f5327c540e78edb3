"""``sandtui run``: one command in all sandboxes that a filter finds, equal outputs folded together."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.fanout import FanOut, Target
    from sandtui.fleet.query import Query
    from sandtui.fleet.row import Row

USAGE_ERROR, NOT_REACHED, INTERRUPTED = 2, 3, 130

_DESCRIPTION = """\
Run a command in every running sandbox that a filter finds, many at a time, and fold equal outputs together; what
differs from the largest group is marked (~ changed, + added, - missing, ! on stderr).

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
    parser.add_argument("query", metavar="QUERY", help="which sandboxes, as in the dashboard's filter; '' is all")
    parser.add_argument("command", metavar="COMMAND", nargs="+", help="the command, after --")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each sandbox as it ends, no groups")
    parser.add_argument("--no-diff", action="store_true", help="show each group's output without marks")
    parser.add_argument("--save", type=Path, metavar="PATH", help="keep all output: a new folder, or a .jsonl file")
    parser.add_argument("--timeout", type=_number, default=300, metavar="S", help="seconds for each (300, at most 900)")
    parser.add_argument("--at-once", type=_number, metavar="N", help="how many at the same time (64)")
    parser.add_argument("--local", action="store_true", help="on the local platform, even when there is an API key")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.client import InvalidRequestError, shell_words
    from sandtui.client.config import Config
    from sandtui.client.errors import ConfigurationError
    from sandtui.client.flows.commands import check_command
    from sandtui.fleet.find import script_query
    from sandtui.fleet.query import QueryError

    words: list[str] = arguments.command
    command = words[0] if len(words) == 1 else shell_words.line(words)
    try:
        me = Config.load().user_id
        query = script_query(arguments.query, me)
        check_command(command, None, arguments.timeout)
    except (QueryError, InvalidRequestError, ConfigurationError) as error:
        return _refuse(str(error))
    if arguments.save is not None and (problem := _unusable(arguments.save)):
        return _refuse(problem)
    return asyncio.run(_run(query, command, arguments))


async def _run(query: Query, command: str, arguments: argparse.Namespace) -> int:
    from sandtui.cli.connect import connect
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.find import find
    from sandtui.fleet.session import ConnectError

    try:
        connection = await connect(use_local=arguments.local)
        async with AsyncSandboxClient(config=connection.config) as client:
            rows = await find(client, query, datetime.now(UTC))
            running = [row for row in rows if row.status == "RUNNING"]
            if len(rows) > len(running):
                print(f"sandtui: {len(rows) - len(running)} that match do not run and are left out", file=sys.stderr)
            if not running:
                return _refuse("no running sandbox matches")
            return await _fan_out(client, running, command, arguments)
    except (ConnectError, SandboxClientError) as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return NOT_REACHED


async def _fan_out(client: AsyncSandboxClient, rows: Sequence[Row], command: str, arguments: argparse.Namespace) -> int:
    from sandtui.fleet.clock import SystemClock
    from sandtui.fleet.fanout import AT_ONCE, FanOut
    from sandtui.fleet.fanout.save import record, save
    from sandtui.fleet.fanout.text import exit_code, report

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
            print(f"sandtui: the output was not saved: {error}", file=sys.stderr)
            return max(exit_code(fan_out), 1)
        print(f"sandtui: {what} written to {arguments.save}", file=sys.stderr)
    return INTERRUPTED if stopped else exit_code(fan_out)


def _progress(fan_out: FanOut) -> None:
    done = sum(target.is_over for target in fan_out.targets)
    end = "\r\x1b[K" if fan_out.is_over else ""
    print(f"\r{done:,} of {len(fan_out.targets):,} …{end}", end="", file=sys.stderr, flush=True)


def _unusable(path: Path) -> str:
    if path.exists():
        return f"{path} is there already: choose another name"
    return "" if path.parent.is_dir() else f"there is no folder {path.parent}"


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return number


def _refuse(message: str) -> int:
    print(f"sandtui: {message}", file=sys.stderr)
    return USAGE_ERROR
