"""Runs the dashboard, for each command that opens one."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sandtui.cli.usage import USAGE_ERROR, UsageError, draw_in_utf8, on_terminal, refuse
from sandtui.ui.garbage_collection import pause_collections, stop_collections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandtui.cli.options import Options
    from sandtui.config.paths import Paths
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.ui.app import SandtuiApp
    from sandtui.ui.startup import StartupOptions


def run_dashboard(app: SandtuiApp) -> int:
    """Run the dashboard to its end; return the exit code of the process."""
    streams = sys.stdout, sys.stderr
    try:
        app.run()
    finally:
        # A program that had the terminal until the end leaves the streams of the app, which write to nothing.
        sys.stdout, sys.stderr = streams
        stop_collections()
    return app.return_code or 0


def check_terminal() -> int:
    """Return 0 if there is what the dashboard needs; else say what is missing and return the exit code."""
    if not on_terminal("stdin", "stdout"):
        return refuse("the dashboard needs a terminal; `sandtui --help` lists the commands")
    if not on_terminal("stderr"):
        print("sandtui: the dashboard is drawn on standard error, which is redirected; remove `2>`")
        return USAGE_ERROR
    return 0


def open_dashboard(options: Options, sandbox_id: str = "") -> int:
    """Open the dashboard, at a sandbox if one is given."""
    return _open(partial(_opening, options, sandbox_id))


def open_confined(options: Options, labels: Sequence[str]) -> int:
    """Open a read-only dashboard for somebody else: it stays off this machine, and shows sandboxes with labels only."""
    from sandtui.cli.streams import temporary_directory
    from sandtui.config.paths import Paths

    with temporary_directory("web-session") as folder:
        # Not what this user did, wrote or looked at.
        paths = Paths.of_user().with_temporary_state(folder / "state")
        return _open(partial(_confined, options, tuple(labels)), paths)


def _open(prepare: Callable[[], StartupOptions], paths: Paths | None = None) -> int:
    if code := check_terminal():
        return code
    draw_in_utf8()
    pause_collections()

    from sandtui.ui.app import SandtuiApp

    return run_dashboard(SandtuiApp(prepare, paths=paths))


def _confined(options: Options, labels: tuple[str, ...]) -> StartupOptions:
    """Return what a confined dashboard is opened with: one context, and nothing of the user's but looks and keys.

    Raises:
        StartupError: see :func:`_opening`.
    """
    opening = _opening(options, "")
    connect = opening.connect

    async def limited() -> Connection:
        connection = await connect()
        return replace(connection, config=replace(connection.config, read_only=True, only_labels=labels))

    from sandtui.ui.startup import StartupOptions

    return StartupOptions(limited, opening.settings, confined=True)


def _opening(options: Options, sandbox_id: str) -> StartupOptions:
    """Read the settings and choose the context; called in a thread, behind the first frame.

    Raises:
        StartupError: the settings, the arguments or the state directory are not valid.
    """
    from sandtui.cli.connect import connect_to
    from sandtui.config.contexts import contexts
    from sandtui.config.paths import Paths
    from sandtui.config.settings import SettingsError, load_settings
    from sandtui.config.state_check import check_state
    from sandtui.ui.startup import StartupError, StartupOptions

    try:
        paths = Paths.of_user()
        settings = load_settings(paths.settings)
        first = options.context(settings)
        check_state(paths)
    except (UsageError, SettingsError, OSError) as error:
        raise StartupError(str(error)) from None
    to = partial(connect_to, read_only=options.read_only, answer=paths.plain_processes)
    return StartupOptions(partial(to, first), settings, contexts(settings), to, first.name, sandbox_id)
