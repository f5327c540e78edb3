"""The command line. Heavy parts are imported only by the subcommand that needs them."""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from sandtui import __version__

if TYPE_CHECKING:
    import argparse

    from sandtui.ui.opening import Opening

USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0 for success, 1 for a failure, 2 for wrong usage."""
    words = sys.argv[1:] if argv is None else argv
    try:
        if not words:
            # The common start is the short one: reading arguments costs 25 ms before the first frame.
            return _dashboard()
        return _run(words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away: nothing more can be said to it.
        sys.stderr.close()
        return 1


def _run(words: Sequence[str]) -> int:
    from functools import partial

    from sandtui.cli import log
    from sandtui.cli.signals import ending_like_ctrl_c

    parser, commands = _parser()
    arguments = parser.parse_args(log.separated(words, commands))
    if arguments.log is None:
        return ending_like_ctrl_c(lambda: int(arguments.run(arguments)))
    return ending_like_ctrl_c(partial(log.run_logged, arguments.log, words, partial(arguments.run, arguments)))


def _parser() -> tuple[argparse.ArgumentParser, Container[str]]:
    """Return the parser, and the names of the subcommands."""
    import argparse

    from sandtui.cli import completion, config, cp, create, demo, doctor, keys, log, run, shell, sync
    from sandtui.local import commands as local_commands

    parser = argparse.ArgumentParser(
        prog="sandtui",
        description="See, drive and script fleets of sandboxes. Without a subcommand the dashboard opens.",
    )
    parser.add_argument("--version", action="version", version=f"sandtui {__version__}")
    parser.add_argument(
        "--local", action="store_true", help="open the local platform, even when an API key is configured"
    )
    parser.add_argument(
        "--profile", default="", metavar="NAME", help="open a profile of the settings file, or a context of `prime`"
    )
    parser.add_argument("--read-only", action="store_true", help="switch off everything that changes something")
    log.add_option(parser)
    subparsers = parser.add_subparsers(title="subcommands", metavar="COMMAND")
    config.add_parser(subparsers)
    create.add_parser(subparsers)
    demo.add_parser(subparsers)
    doctor.add_parser(subparsers)
    keys.add_parser(subparsers)
    cp.add_parser(subparsers)
    run.add_parser(subparsers)
    shell.add_parser(subparsers)
    sync.add_parser(subparsers)
    local_commands.add_parsers(subparsers)
    completion.add_parser(subparsers, parser)
    parser.set_defaults(run=lambda chosen: _dashboard(chosen.local, chosen.profile, chosen.read_only))
    return parser, subparsers.choices


def _dashboard(local: bool = False, profile: str = "", read_only: bool = False) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("sandtui: the dashboard needs a terminal; `sandtui --help` lists the subcommands", file=sys.stderr)
        return USAGE_ERROR
    if not sys.stderr.isatty():
        print("sandtui: the dashboard is drawn on standard error, which is redirected; leave `2>` away")
        return USAGE_ERROR
    from sandtui.ui.garbage import collect_nothing_yet

    collect_nothing_yet()
    from functools import partial

    from sandtui.ui.app import SandtuiApp

    app = SandtuiApp(partial(_opening, local, profile, read_only))
    app.run()
    return app.return_code or 0


def _opening(local: bool, profile: str, read_only: bool) -> Opening:
    """Read the settings and choose the context; called in a thread, behind the first frame.

    Raises:
        OpeningError: the settings or the arguments can't be used.
    """
    from functools import partial

    from sandtui.cli.connect import connect_to
    from sandtui.client.errors import ConfigurationError
    from sandtui.config.contexts import LOCAL, choose, contexts
    from sandtui.config.paths import Paths
    from sandtui.config.settings import SettingsError, load_settings
    from sandtui.ui.opening import Opening, OpeningError

    try:
        settings = load_settings(Paths.of_user().settings)
        first = LOCAL if local else choose(settings, profile)
    except (ConfigurationError, SettingsError) as error:
        raise OpeningError(str(error)) from None
    to = partial(connect_to, read_only=read_only)
    return Opening(partial(to, first), settings, contexts(settings), to, first.name)
