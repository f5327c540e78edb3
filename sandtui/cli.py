"""The command line. Heavy parts are imported only by the subcommand that needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandtui import __version__

if TYPE_CHECKING:
    from sandtui.client import Config
    from sandtui.fleet.session import Connection

USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0 for success, 1 for a failure, 2 for wrong usage."""
    from sandtui import cli_create, cli_run, cli_shell
    from sandtui.local import commands as local_commands

    parser = argparse.ArgumentParser(
        prog="sandtui",
        description="See, drive and script fleets of sandboxes. Without a subcommand the dashboard opens.",
    )
    parser.add_argument("--version", action="version", version=f"sandtui {__version__}")
    parser.add_argument(
        "--local", action="store_true", help="open the local platform, even when an API key is configured"
    )
    subparsers = parser.add_subparsers(title="subcommands", metavar="COMMAND")
    cli_create.add_parser(subparsers)
    cli_run.add_parser(subparsers)
    cli_shell.add_parser(subparsers)
    local_commands.add_parsers(subparsers)
    arguments = parser.parse_args(argv)
    run = getattr(arguments, "run", None)
    try:
        return int(run(arguments)) if run is not None else _dashboard(use_local=arguments.local)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away: nothing more can be said to it.
        sys.stderr.close()
        return 1


def _dashboard(*, use_local: bool) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("sandtui: the dashboard needs a terminal; `sandtui --help` lists the subcommands", file=sys.stderr)
        return USAGE_ERROR
    from sandtui.client.config import Config
    from sandtui.client.errors import ConfigurationError
    from sandtui.config.paths import Paths
    from sandtui.config.settings import SettingsError, load_settings

    try:
        settings = load_settings(Paths.of_user().settings)
        Config.load()
    except (ConfigurationError, SettingsError) as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return USAGE_ERROR
    if not sys.stderr.isatty():
        print("sandtui: the dashboard is drawn on standard error, which is redirected; leave `2>` away")
        return USAGE_ERROR
    from sandtui.ui.app import SandtuiApp

    app = SandtuiApp(lambda: connect(use_local=use_local), settings=settings)
    app.run()
    return app.return_code or 0


async def connect(*, use_local: bool) -> Connection:
    """Return the platform of the configured key, or the local one, which is started when needed.

    Raises:
        ConnectError: the local platform can't be started.
        ConfigurationError: the configuration can't be used.
    """
    from sandtui.client.config import Config

    config = Config.load()
    if config.api_key and not use_local:
        return _remote(config)
    return await _local()


def _remote(config: Config) -> Connection:
    from urllib.parse import urlsplit

    from sandtui.client.config import DEFAULT_BASE_URL
    from sandtui.fleet.session import Connection

    place = "production" if config.base_url == DEFAULT_BASE_URL else urlsplit(config.base_url).netloc
    parts = [config.team_id or "personal", config.context or place]
    return Connection(config, " · ".join(parts))


async def _local() -> Connection:
    import asyncio

    from sandtui.client import Config
    from sandtui.fleet.session import ConnectError, Connection
    from sandtui.local import service
    from sandtui.local.settings import LocalError, Settings

    try:
        endpoint = await asyncio.to_thread(service.ensure, Settings())
    except LocalError as error:
        raise ConnectError(
            str(error),
            "Set PRIME_API_KEY to use the Prime platform, or see `sandtui local status`.",
        ) from error
    isolated = endpoint.driver != "process"
    return Connection(
        Config(api_key=endpoint.api_key, base_url=endpoint.base_url),
        f"local · {endpoint.driver}",
        note="" if isolated else "Sandboxes here are plain processes of this machine: they are NOT isolated.",
        warning=not isolated,
    )
