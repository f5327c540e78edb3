"""Chooses the sandboxes of a subcommand, and asks before it acts on many."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandtui.cli.targets import everyone, is_query, nearest_names, read_query
from sandtui.cli.usage import UsageError, note, on_terminal
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.query import Query
    from sandtui.fleet.inventory.row import Row

MANY = 10
"""More sandboxes than this need a confirmation."""

SHOWN = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that confirm in advance."""
    parser.add_argument(
        "-y", "--yes", action="store_true", help=f"do not ask before acting on more than {MANY} sandboxes"
    )
    parser.add_argument(
        "--all", action="store_true", help="act on all matches, or all running sandboxes, without asking"
    )


def check(text: str) -> None:
    """Check a query before connecting.

    Raises:
        UsageError: it is not valid.
    """
    read_query(text)


async def select(client: AsyncSandboxClient, text: str) -> tuple[Query, list[Row]]:
    """Return a query and the running sandboxes that match it.

    Raises:
        UsageError: it is not valid, or no running sandbox matches.
        SandboxClientError: the platform could not be reached.
    """
    from sandtui.fleet.inventory.find import find

    query = read_query(text, client.config.user_id)
    rows = await find(client, query, datetime.now(UTC))
    running = [row for row in rows if row.status == "RUNNING"]
    if len(rows) > len(running):
        note(f"{len(rows) - len(running):,} skipped (not running)")
    if not running:
        raise UsageError(await _nothing(client, text))
    return query, running


async def _nothing(client: AsyncSandboxClient, text: str) -> str:
    """Return what to tell who matched nothing; a plain word may be a name that was mistyped."""
    said = f"no running sandbox matches the filter: {text}" if text.strip() else "no sandbox is running"
    if not text.strip() or is_query(text):
        return said
    close = nearest_names(text, await everyone(client, ended=False))
    return f"{said}; did you mean {', '.join(close)}?" if close else said


async def confirm(arguments: argparse.Namespace, action: str, query: Query, rows: list[Row]) -> None:
    """Ask before an action on many sandboxes, unless ``--yes`` or ``--all`` confirms it.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    if arguments.yes or arguments.all or (query and len(rows) <= MANY):
        return
    count = f"{len(rows):,} running sandbox{'es' * (len(rows) != 1)}"
    match = f"{count} match{'es' * (len(rows) == 1)}"
    if not query:
        match += " an empty query"

    names = ", ".join(clean(row.name or row.id) for row in rows[:SHOWN])
    more = ", …" if len(rows) > SHOWN else ""
    alone = f"add --yes or --all to {action} {'all of them' if len(rows) > 1 else 'it'}"
    await ask(match, f"{action.capitalize()} {count}?", alone, f"{names}{more}")


async def ask(situation: str, question: str, alone: str, more: str = "") -> None:
    """Ask for confirmation; ``alone`` says which option a script adds, ``more`` are details for people.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    if not on_terminal("stdin", "stderr"):
        raise UsageError(f"{situation}: {alone}")
    shown = clean(f"{situation}: {more}" if more else situation)
    if (await answer(f"{shown}\n{clean(question)} [y/N] ")).lower() not in {"y", "yes"}:
        raise UsageError("cancelled; nothing was changed")


async def answer(question: str) -> str:
    """Read an answer without blocking the event loop: ctrl+c works, and the connection stays alive."""
    print(question, end="", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not typed.done():
            typed.set_result(os.read(descriptor, 1024))

    loop.add_reader(descriptor, read)
    try:
        return (await typed).decode("utf-8", "replace").strip()
    finally:
        loop.remove_reader(descriptor)
