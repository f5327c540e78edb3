"""``sandtui run``: one command in all matching sandboxes, identical output folded."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli import selection
from sandtui.cli.arguments import user
from sandtui.cli.connect import connect_command
from sandtui.cli.output import add_json_lines
from sandtui.cli.progress import ProgressLine
from sandtui.cli.streams import piped_input
from sandtui.cli.usage import FAILURE, INTERRUPTED, NOT_REACHED, UsageError, complain
from sandtui.clock import SystemClock
from sandtui.directories import describe
from sandtui.fleet.inventory.connection import ConnectError
from sandtui.fleet.text.sanitize import clean
from sandtui.saving import check_new_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.commands.fanout import FanOut, Target
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Run a command in every running sandbox that matches QUERY and fold identical output together. Differences from the
largest group are marked: ~ changed, + added, - missing, ! stderr.

Standard input from a pipe or a file goes to the command in each sandbox. An empty query, or more than 10 sandboxes,
ask for confirmation on a terminal; scripts add --yes or --all.

One word after -- is a line for the sandbox's shell; several are passed as they are:
  sandtui run '#run=42' -- 'cd /workspace && git rev-parse HEAD'
  sandtui run 'image:python* age<2h' --json -- python -c 'import torch'
"""
FIELDS = {
    "id": "ID",
    "name": "Name",
    "state": "ok, or how it ended",
    "seconds": "its runtime; missing if it did not end",
    "exit_code": "of the command; missing without one",
    "stdout": "its output; missing without any",
    "stderr": "its errors; missing without any",
    "characters_cut": "how much output was left out; missing if none",
    "error": "why there is no exit code; missing if there is one",
}
"""The fields of the JSON of each sandbox."""

_EPILOG = """\
exit codes: 0 every command ended with 0; 1 some failed or timed out; 2 wrong usage, or no match; 3 some sandboxes
were unreachable; 130 interrupted (partial results are printed)."""


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
    parser.add_argument(
        "query", metavar="QUERY", nargs="?", help="filter expression (`sandtui help filter`); '' matches all running"
    )
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="the command, after --")
    selection.add_options(parser)
    parser.add_argument("-n", "--no-stdin", action="store_true", help="do not read standard input")
    parser.add_argument("--stdin", action="store_true", help="wait for standard input without a time limit")
    add_json_lines(parser, FIELDS)
    parser.add_argument("--dry-run", action="store_true", help="print the matching sandboxes, without running anything")
    parser.add_argument("--fail-fast", action="store_true", help="stop all at the first that fails")
    parser.add_argument("--no-diff", action="store_true", help="do not mark differences between groups")
    parser.add_argument(
        "--save", type=Path, metavar="PATH", help="save all output to a new directory or .jsonl file; - is -o jsonl"
    )
    parser.add_argument(
        "--timeout", type=_number, default=300, metavar="S", help="seconds per sandbox (default: 300, at most 900)"
    )
    parser.add_argument(
        "-u", "--user", type=user, metavar="USER", help="run as this user of the sandbox, a name or uid"
    )
    parser.add_argument("-j", "--parallel", type=_number, metavar="N", help="parallelism (default: 64)")
    parser.add_argument("--at-once", type=_number, dest="parallel", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.set_defaults(
        run=run,
        connects=True,
        takes_tail=True,
        changes=lambda chosen: "" if chosen.dry_run else "a command may change anything",
    )


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
    if arguments.save is not None and str(arguments.save) == "-":
        arguments.save, arguments.json = None, True
    if arguments.save is not None and (problem := check_new_path(arguments.save)):
        raise UsageError(problem)
    if arguments.stdin and arguments.no_stdin:
        raise UsageError("--stdin and --no-stdin cannot be combined")
    stdin = b"" if arguments.no_stdin else piped_input(wait=arguments.stdin)
    return asyncio.run(_run(text, command, stdin, arguments))


def _query_and_command(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """Return query and command, separated by ``--``; nothing after it is taken for an option."""
    query: str | None = arguments.query
    words: list[str] = arguments.command
    tail: list[str] | None = arguments.tail
    if tail is not None:
        if words:
            raise UsageError(
                f"expected one QUERY before --, got {len(words) + 1} words; quote a query that contains spaces"
            )
        if query is None and not arguments.all and tail[1:2] == ["--"]:
            # A query that starts with a dash has a -- of its own.
            query, tail = tail[0], tail[2:]
        words = tail
    if query is None:
        if not arguments.all:
            raise UsageError("missing QUERY: write one before --, or use --all")
        query = ""
    if not words:
        raise UsageError("missing COMMAND after --")
    return query, words


async def _run(text: str, command: str, stdin: bytes, arguments: argparse.Namespace) -> int:
    from sandtui.client import AsyncSandboxClient, SandboxClientError

    try:
        connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            query, running = await selection.select(client, text)
            if arguments.dry_run:
                for row in running:
                    print(_matching(row, as_json=arguments.json))
                return 0
            await selection.confirm(arguments, "run the command in", query, running)
            return await _fan_out(client, running, command, stdin, arguments)
    except (ConnectError, SandboxClientError) as error:
        complain(error)
        return NOT_REACHED


async def _fan_out(
    client: AsyncSandboxClient, rows: Sequence[Row], command: str, stdin: bytes, arguments: argparse.Namespace
) -> int:
    from sandtui.fleet.commands.fanout import AT_ONCE, FanOut
    from sandtui.fleet.commands.fanout.save import record, save
    from sandtui.fleet.commands.fanout.text import exit_code, report

    failed_fast = False

    def on_result(target: Target) -> None:
        nonlocal failed_fast
        progress.clear()
        if arguments.json:
            print(json.dumps(record(target)), flush=True)
        if arguments.fail_fast and (target.answer is None or target.answer.exit_code) and not failed_fast:
            failed_fast = True
            fan_out.cancel()

    fan_out = FanOut(
        command,
        rows,
        client,
        SystemClock(),
        timeout=arguments.timeout,
        at_once=arguments.parallel or AT_ONCE,
        on_end=on_result,
        stdin=stdin,
        user=arguments.user,
    )
    progress = ProgressLine("running", len(fan_out.targets))
    fan_out.on_change.subscribe(lambda: progress.update(sum(target.is_over for target in fan_out.targets)))
    with contextlib.suppress(asyncio.CancelledError):
        await fan_out.run()
    progress.clear()
    # Ctrl+c still prints the results so far.
    task = asyncio.current_task()
    stopped = task is not None and task.cancelling() > 0
    if stopped or failed_fast:
        complain(f"{'interrupted' if stopped else 'stopped at a failure'}: {_undone(fan_out)}")
    if not arguments.json:
        for line in report(fan_out, differences=not arguments.no_diff):
            print(line)
    if arguments.save is not None:
        try:
            what = await asyncio.to_thread(save, fan_out, arguments.save)
        except OSError as error:
            complain(f"cannot save the output: {describe(error, arguments.save)}")
            return max(exit_code(fan_out), 1)
        complain(f"saved {what} to {arguments.save}")
    if stopped:
        return INTERRUPTED
    return FAILURE if failed_fast else exit_code(fan_out)


def _matching(row: Row, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"id": row.id, "name": row.sandbox.name})
    return f"{clean(row.id)}  {clean(row.sandbox.name)}"


def _undone(fan_out: FanOut) -> str:
    ended = sum(target.answer is not None for target in fan_out.targets)
    begun = sum(target.answer is None and target.started is not None for target in fan_out.targets)
    parts = [f"{ended:,} ended", *([f"{begun:,} cut off"] if begun else [])]
    left = len(fan_out.targets) - ended - begun
    return ", ".join([*parts, *([f"{left:,} not started"] if left else [])])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("expected a positive number")
    return int(text)
