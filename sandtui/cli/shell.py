"""``sandtui shell``: an interactive shell in a sandbox, without the dashboard."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sandtui.cli.byte_streams import has_piped_input
from sandtui.cli.connected import run_connected
from sandtui.cli.exec_command import EXEC_EXIT_CODES, pass_through, read_command, shell_without_terminal
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import on_terminal, refuse
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient


_DESCRIPTION = """\
Open an interactive shell in a running sandbox. Exits with the shell's exit code.

Without a terminal, as in a script, the shell reads its commands from standard input. With a command after --, that is
run instead, as `sandtui exec` does.

  sandtui shell trainer
  sandtui shell trainer < setup.sh
  sandtui shell trainer -- nvidia-smi
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "shell",
        help="open an interactive shell in a sandbox",
        description=_DESCRIPTION,
        epilog=EXEC_EXIT_CODES,
        usage="sandtui shell [options] NAME|ID [-- COMMAND ...]",
    )
    parser.add_argument("sandbox", metavar="NAME|ID", help="name of the sandbox, its id, or the start of it")
    parser.set_defaults(run=run, connects=True, takes_tail=True, changes=lambda _: "a shell may change anything")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    check_words([arguments.sandbox])
    command = None
    if arguments.tail is not None:
        arguments.env, arguments.workdir, arguments.user = [], None, None
        command = read_command(arguments, arguments.tail)
    elif not on_terminal("stdin") and not has_piped_input():
        return refuse("a shell needs a terminal, or commands on standard input")

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        found = await resolve_one(client, arguments.sandbox, only="RUNNING")
        if command is not None:
            return await pass_through(client, found, command, no_input=False)
        if not on_terminal("stdin", "stdout"):
            return await shell_without_terminal(client, found, connection)
        from sandtui.fleet.shells.attach import attach

        return await attach(client, found.id, clean(found.name))

    return run_connected(arguments, work)
