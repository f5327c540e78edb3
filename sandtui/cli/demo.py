"""``sandtui demo``: the dashboard with simulated sandboxes; nothing is kept."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from sandtui.cli.dashboard import run_dashboard
from sandtui.cli.options import READ_ONLY
from sandtui.cli.streams import temporary_directory
from sandtui.cli.usage import FAILURE, UsageError, complain, draw_in_utf8, on_terminal, refuse
from sandtui.config.paths import Paths
from sandtui.fleet.inventory.connection import ConnectError, Connection
from sandtui.local.settings import LocalError, PlatformSettings

if TYPE_CHECKING:
    from sandtui.local.owned_platform import OwnedPlatform

MAX_FLEET = 20_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="open the dashboard with demo data",
        description="Open the dashboard with simulated sandboxes that start, fail and end. Needs no key, account or "
        "network, runs no programs, and keeps nothing.",
    )
    parser.add_argument("--fleet", type=_count, default=2000, metavar="N", help="number of sandboxes (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the random data (default: 1)")
    parser.add_argument("--still", action="store_true", help="static: no sandboxes start or end")
    # Set by `sandtui web --read-only`.
    parser.add_argument("--confined", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--label", action="append", default=[], dest="labels", help=argparse.SUPPRESS)
    parser.set_defaults(run=run, takes=frozenset({READ_ONLY}), why_not="it uses a platform of its own")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if not on_terminal("stdin", "stdout", "stderr"):
        return refuse("the demo needs a terminal")
    draw_in_utf8()
    from sandtui.config.settings import SettingsError, load_settings
    from sandtui.local.owned_platform import OwnedPlatform
    from sandtui.ui.app import SandtuiApp
    from sandtui.ui.startup import StartupOptions

    user = Paths.of_user()
    try:
        settings = load_settings(user.settings)
    except SettingsError as error:
        raise UsageError(str(error)) from None
    with temporary_directory("demo") as folder:
        platform = OwnedPlatform(
            PlatformSettings(folder / "platform", driver="simulated", fleet=arguments.fleet, seed=arguments.seed)
        )
        try:
            # First: it removes the directory if this process is killed.
            platform.spawn()
        except LocalError as error:
            complain(error)
            return FAILURE

        async def connect() -> Connection:
            connection = await _connect(platform, arguments.seed, living=not arguments.still)
            only = tuple(arguments.labels)
            config = replace(connection.config, read_only=arguments.options.read_only, only_labels=only)
            return replace(connection, config=config)

        # The state of a simulated fleet is useless to the next run; a crash report is not.
        app = SandtuiApp(
            StartupOptions(connect, settings, confined=arguments.confined),
            paths=user.with_temporary_state(folder / "state"),
        )
        try:
            return run_dashboard(app)
        finally:
            platform.stop()


async def _connect(platform: OwnedPlatform, seed: int, *, living: bool) -> Connection:
    from sandtui.client import AsyncSandboxClient, Config
    from sandtui.fleet.inventory.demo import Life

    try:
        endpoint = await asyncio.to_thread(platform.start)
    except LocalError as error:
        raise ConnectError(str(error)) from error
    config = Config(api_key=endpoint.api_key, base_url=endpoint.base_url)
    if living:
        client = AsyncSandboxClient(config=config, keep_tokens=False)
        task = asyncio.create_task(Life(client, seed).run())
        _background_tasks.add(task)
        task.add_done_callback(_background_tasks.discard)
    return Connection(config, "demo · simulated", note="Demo data: nothing is billed, nothing is kept")


_background_tasks: set[object] = set()
"""Keeps references to tasks; the event loop cancels them when it closes."""


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_FLEET):
        raise argparse.ArgumentTypeError(f"expected a whole number up to {MAX_FLEET:,}")
    return int(text)
