"""Runs the dashboard, for each command that opens one."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from sandtui.cli.usage import USAGE_ERROR, UsageError, draw_in_utf8, on_terminal, refuse
from sandtui.ui.garbage_collection import pause_collections, stop_collections

if TYPE_CHECKING:
    from sandtui.cli.options import Options
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
    if code := check_terminal():
        return code
    draw_in_utf8()
    pause_collections()

    from sandtui.ui.app import SandtuiApp

    return run_dashboard(SandtuiApp(partial(_opening, options, sandbox_id)))


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
