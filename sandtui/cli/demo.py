"""``sandtui demo``: the dashboard on a made-up fleet that lives; nothing of it stays."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandtui.fleet.session import Connection

USAGE_ERROR = 2
IDLE_EXIT = 120.0
"""Seconds after which the platform ends by itself should this process be killed."""

MOST = 20_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="open the dashboard on a made-up fleet that lives",
        description="Open the dashboard on a simulated fleet in which sandboxes come and go. No key, no account and "
        "no network are needed, no program runs in its sandboxes, and nothing of it stays.",
    )
    parser.add_argument("--fleet", type=_count, default=2000, metavar="N", help="how many sandboxes (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which fleet (default: 1)")
    parser.add_argument("--still", action="store_true", help="without a life of its own")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("sandtui: the demo needs a terminal", file=sys.stderr)
        return USAGE_ERROR
    from sandtui.config.paths import Paths
    from sandtui.config.settings import SettingsError, load_settings
    from sandtui.local import service
    from sandtui.local.settings import Settings
    from sandtui.ui.app import SandtuiApp
    from sandtui.ui.opening import Opening

    try:
        settings = load_settings(Paths.of_user().settings)
    except SettingsError as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return USAGE_ERROR
    with tempfile.TemporaryDirectory(prefix="sandtui-demo-") as folder:
        place = Path(folder)
        platform = Settings(
            state_dir=place / "platform",
            driver="simulated",
            fleet=arguments.fleet,
            seed=arguments.seed,
            idle_exit=IDLE_EXIT,
        )

        async def connect() -> Connection:
            return await _connect(platform, arguments.seed, living=not arguments.still)

        # What is learned about a fleet that never was is of no use to the next run.
        app = SandtuiApp(Opening(connect, settings), paths=Paths(Paths.of_user().config, place / "state"))
        try:
            app.run()
        finally:
            service.stop(platform)
        return app.return_code or 0


async def _connect(platform: object, seed: int, *, living: bool) -> Connection:
    import asyncio

    from sandtui.client import AsyncSandboxClient, Config
    from sandtui.fleet.demo import Life
    from sandtui.fleet.session import ConnectError, Connection
    from sandtui.local import service
    from sandtui.local.settings import LocalError, Settings

    assert isinstance(platform, Settings)
    try:
        endpoint = await asyncio.to_thread(service.ensure, platform)
    except LocalError as error:
        raise ConnectError(str(error)) from error
    config = Config(api_key=endpoint.api_key, base_url=endpoint.base_url)
    if living:
        client = AsyncSandboxClient(config=config, keep_tokens=False)
        task = asyncio.create_task(Life(client, seed).run())
        _living.add(task)
        task.add_done_callback(_living.discard)
    return Connection(config, "demo · simulated", note="A made-up fleet: nothing here costs anything or stays.")


_living: set[object] = set()
"""Tasks that nobody else holds; the event loop ends them with itself."""


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"a whole number up to {MOST:,}")
    return int(text)
