"""``sandtui exec``: one command in a sandbox, with its input, output and exit code, as ssh runs it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandtui.cli.arguments import user, variable
from sandtui.cli.byte_streams import has_input, read_standard_input, write_standard_stream
from sandtui.cli.connected import run_connected
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import UsageError, complain, on_terminal
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.commands.attached import RemoteCommand
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Run a command in a running sandbox. Standard input goes to the command, and its output comes as it is, byte for byte,
as soon as it is written. Ctrl+c stops the command. One word after -- is a line for the sandbox's shell; several are
passed as they are.

  sandtui exec trainer -- 'tail -f /workspace/log.txt | grep loss'
  sandtui exec trainer -- tar c /workspace/out | tar x
  sandtui exec -t trainer -- top

`sandtui run` runs a command in many sandboxes.
"""

EXEC_EXIT_CODES = """\
exit codes: that of the command; 1 the sandbox refused it; 2 wrong usage, or no such sandbox; 3 the platform or the
sandbox was not reached; 130 interrupted."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "exec",
        help="run a command in a sandbox, with its input and output",
        description=_DESCRIPTION,
        epilog=EXEC_EXIT_CODES,
        usage="sandtui exec [options] NAME|ID -- COMMAND ...",
    )
    parser.add_argument("sandbox", metavar="NAME|ID", help="name of the sandbox, its id, or the start of it")
    parser.add_argument("-t", "--tty", action="store_true", help="give the command a terminal")
    parser.add_argument("-n", "--no-stdin", action="store_true", help="do not read standard input")
    # As docker and kubectl call it; here the input is passed anyway.
    parser.add_argument("-i", "--interactive", action="store_true", help=argparse.SUPPRESS)
    add_command_options(parser)
    parser.set_defaults(run=run, connects=True, takes_tail=True, changes=lambda _: "a command may change anything")


def add_command_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen for a command: directory, variables and user."""
    parser.add_argument("-w", "--workdir", metavar="DIR", help="directory to run it in")
    parser.add_argument(
        "-e",
        "--env",
        type=variable,
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="variable (repeatable); without a value, the one that it has here",
    )
    parser.add_argument("-u", "--user", type=user, metavar="USER", help="run as this user of the sandbox (name or uid)")


def read_command(arguments: argparse.Namespace, words: Sequence[str]) -> RemoteCommand:
    """Return the command of a command line.

    Raises:
        UsageError: it is missing, or cannot be sent.
    """
    from sandtui.client import InvalidRequestError, shell_words
    from sandtui.client.toolkit import DEFAULT_TIMEOUT, check_command
    from sandtui.fleet.commands.attached import RemoteCommand

    if not words:
        raise UsageError("missing COMMAND after --")
    text = words[0] if len(words) == 1 else shell_words.line(words)
    variables = dict(arguments.env)
    try:
        check_command(text, variables, DEFAULT_TIMEOUT, arguments.workdir, arguments.user)
    except InvalidRequestError as error:
        raise UsageError(str(error)) from None
    return RemoteCommand(text, arguments.workdir, variables, arguments.user)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    check_words([arguments.sandbox])
    command = read_command(arguments, arguments.tail or ())
    if arguments.tty:
        if arguments.no_stdin:
            raise UsageError("-t and --no-stdin cannot be combined: a terminal is read")
        if not on_terminal("stdin", "stdout"):
            raise UsageError("-t needs a terminal, but standard input or output is redirected; leave it out")
    return run_connected(arguments, lambda client, _: _run(client, arguments, command))


async def _run(client: AsyncSandboxClient, arguments: argparse.Namespace, command: RemoteCommand) -> int:
    found = await resolve_one(client, arguments.sandbox, only="RUNNING")
    if arguments.tty:
        from sandtui.fleet.shells.attach import attach

        if command.user is not None and not found.sandbox.vm:
            raise UsageError("-u with -t needs a VM: the terminal of a container belongs to the user that SSH logs in")
        return await attach(client, found.id, clean(found.name), command=command) & 0xFF
    return await pass_through(client, found, command, no_input=arguments.no_stdin)


async def pass_through(client: AsyncSandboxClient, row: Row, command: RemoteCommand, *, no_input: bool) -> int:
    """Run a command with the standard streams of this process; return its exit code."""
    from sandtui.fleet.commands.attached import InputTooLargeError, run_attached

    given = None if no_input or not has_input() else read_standard_input()
    try:
        return await run_attached(client, row.sandbox, command, given, write_standard_stream) & 0xFF
    except InputTooLargeError as error:
        raise UsageError(f"{error}: copy it with `sandtui cp - NAME:/PATH` first, then read it there") from None
    except asyncio.CancelledError:
        complain(f"interrupted: the command in {row.name or row.id} was stopped")
        raise


async def shell_without_terminal(client: AsyncSandboxClient, row: Row, _: Connection) -> int:
    """Run a shell that reads its commands from standard input."""
    from sandtui.fleet.commands.attached import RemoteCommand

    return await pass_through(client, row, RemoteCommand("exec ${SHELL:-/bin/sh}"), no_input=False)
