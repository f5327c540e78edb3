"""``sandtui shell``: a shell in a sandbox, without the dashboard."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient, Sandbox

USAGE_ERROR = 2
MAX_PAGES = 50
SHOWN = 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "shell",
        help="open a shell in a sandbox",
        description="Open a shell in a running sandbox. Its exit code is ours.",
    )
    parser.add_argument("sandbox", help="its name, or the beginning of its id")
    parser.add_argument("--local", action="store_true", help="on the local platform, even when there is an API key")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("sandtui: a shell needs a terminal", file=sys.stderr)
        return USAGE_ERROR
    return asyncio.run(_shell(arguments.sandbox, use_local=arguments.local))


async def _shell(wanted: str, *, use_local: bool) -> int:
    from sandtui.cli.connect import connect
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.sanitize import clean
    from sandtui.fleet.session import ConnectError
    from sandtui.fleet.shell import attach

    try:
        connection = await connect(use_local=use_local)
        async with AsyncSandboxClient(config=connection.config) as client:
            found = await _find(client, wanted)
            if len(found) == 1:
                return await attach(client, found[0].id, clean(found[0].name))
    except (ConnectError, SandboxClientError) as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return 1
    if not found:
        print(f"sandtui: no running sandbox is called {clean(wanted)}, and no id begins so", file=sys.stderr)
        return USAGE_ERROR
    print(f"sandtui: {len(found)} running sandboxes are called {clean(wanted)}; give the id of one:", file=sys.stderr)
    for sandbox in found[:SHOWN]:
        print(f"  {clean(sandbox.id)}  {clean(' '.join(sandbox.labels))}", file=sys.stderr)
    return USAGE_ERROR


async def _find(client: AsyncSandboxClient, wanted: str) -> list[Sandbox]:
    """Return the running sandboxes of a name, or whose ids begin so; an exact id is the only one."""
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
