"""``sandtui shell``: an interactive shell in a sandbox, without the dashboard."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sandtui.cli.connected import run_connected
from sandtui.cli.targets import resolve_one
from sandtui.cli.usage import on_terminal, refuse
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient, Sandbox

MAX_PAGES = 50


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

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.shells.attach import attach

        found = await resolve_one(client, arguments.sandbox, only="RUNNING")
        return await attach(client, found.id, clean(found.name))

    return run_connected(arguments, work)


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
