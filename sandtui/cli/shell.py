"""``sandtui shell``: an interactive shell in a sandbox, without the dashboard."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from sandtui.cli.connect import connect_command
from sandtui.cli.usage import FAILURE, USAGE_ERROR, complain, on_terminal, refuse
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient, Sandbox

MAX_PAGES = 50
SHOWN = 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "shell",
        help="open an interactive shell in a sandbox",
        description="Open an interactive shell in a running sandbox. Exits with the shell's exit code.",
    )
    parser.add_argument("sandbox", help="name of the sandbox, or the start of its id")
    parser.set_defaults(run=run, connects=True, changes=lambda _: "a shell may change anything")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if not on_terminal("stdin", "stdout"):
        return refuse("a shell needs a terminal")
    return asyncio.run(_shell(arguments.sandbox, arguments))


async def _shell(wanted: str, arguments: argparse.Namespace) -> int:
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.inventory.session import ConnectError
    from sandtui.fleet.shells.attach import attach

    try:
        connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            found = await find_named(client, wanted)
            if len(found) == 1:
                return await attach(client, found[0].id, clean(found[0].name))
    except (ConnectError, SandboxClientError) as error:
        complain(error)
        return FAILURE
    if not found:
        return refuse(not_found(wanted))
    complain(f'"{wanted}" is ambiguous ({len(found)} running sandboxes); use an id:')
    for sandbox in found[:SHOWN]:
        print(f"  {clean(sandbox.id)}  {clean(' '.join(sandbox.labels))}", file=sys.stderr)
    return USAGE_ERROR


def not_found(wanted: str) -> str:
    """Return what to report a user who named no running sandbox."""
    return f'no running sandbox named "{wanted}" (also tried as the start of an id)'


async def find_named(client: AsyncSandboxClient, wanted: str) -> list[Sandbox]:
    """Return the running sandboxes with a name or the start of an id; an exact id wins over all others."""
    found: list[Sandbox] = []
    for page in range(1, MAX_PAGES + 1):
        reply = await client.list(status="RUNNING", page=page, per_page=100)
        for sandbox in reply.sandboxes:
            if sandbox.id == wanted:
                return [sandbox]
            if sandbox.name == wanted or (len(wanted) >= 4 and sandbox.id.startswith(wanted)):
                found.append(sandbox)
        if not reply.has_next:
            break
    return found
