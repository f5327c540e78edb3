"""The command line. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from sandtui.cli.dashboard import open_dashboard
from sandtui.cli.options import NOTHING, READ_ONLY, Options
from sandtui.cli.usage import (
    FAILURE,
    INTERRUPTED,
    UsageError,
    complain,
    drop_output,
    flush_output,
    print_in_any_encoding,
    refuse,
    set_quiet,
)
from sandtui.directories import DirectoryError, describe
from sandtui.printable import clean
from sandtui.ui.garbage_collection import resume_collections

if TYPE_CHECKING:
    import argparse

    from sandtui.cli.parsing import Given


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code (see ``sandtui.cli.usage``)."""
    words = sys.argv[1:] if argv is None else argv
    print_in_any_encoding()
    try:
        if not words:
            # Skip argparse, which would cost 25 ms before the first frame.
            return open_dashboard(Options())
        code = _run(words)
        flush_output()
        return code
    except (UsageError, DirectoryError) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output is gone.
        drop_output()
        return FAILURE
    except OSError as error:
        # A full disk or a broken terminal: a traceback would help nobody.
        complain(describe(error))
        return FAILURE


def _refuse(error: UsageError | DirectoryError) -> int:
    code = refuse(error)
    if isinstance(error, UsageError) and sys.stderr is not None:
        for line in (*map(clean, error.details), *error.usage.splitlines()):
            print(line, file=sys.stderr)
    return code


def _run(words: Sequence[str]) -> int:
    from sandtui.cli.log import run_logged
    from sandtui.cli.signals import ending_like_ctrl_c

    arguments = read(words)
    options: Options = arguments.options
    set_quiet(options.quiet)
    resume_collections()
    if options.log is None:
        return ending_like_ctrl_c(lambda: int(arguments.run(arguments)))
    return ending_like_ctrl_c(partial(run_logged, options.log, words, partial(arguments.run, arguments)))


def read(words: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments, with the global ``options`` and the ``context`` to connect to.

    ``tail`` is what follows ``--`` of a subcommand with ``takes_tail``, such as `run`. A subcommand that connects says
    with ``changes`` what it changes.

    Raises:
        UsageError: the command does not take an option, there is no such profile, or the context is read-only.
    """
    from sandtui.cli.parsing import command_of, separated

    parser, commands, given = make_parser(command_of(words, ALONE))
    tailed = {name for name, command in commands.items() if command.get_default("takes_tail")}
    apart, tail = separated(words, commands, tailed)
    arguments = parser.parse_args(apart)
    arguments.tail = tail
    arguments.options = options = given.options(arguments.subcommand, arguments.takes, arguments.why_not)
    if arguments.connects:
        arguments.context = options.context()
        arguments.read_only = options.read_only or arguments.context.read_only
        if arguments.read_only and (what := arguments.changes(arguments)):
            cause = READ_ONLY if options.read_only else f"the profile {arguments.context.name!r}"
            raise UsageError(f"read-only ({cause}): {what}; nothing was sent")
    return arguments


ALONE: Mapping[str, str] = {
    "ls": "ls",
    "ps": "ls",
    "get": "get",
    "create": "create",
    "fork": "fork",
    "checkpoint": "checkpoint",
    "diff": "diff",
    "volume": "volume",
    "image": "image",
    "wait": "wait",
    "rm": "rm",
    "lease": "lease",
    "reap": "reap",
    "cost": "cost",
    "why": "why",
    "top": "top",
    "logs": "logs",
    "view": "view",
    "open": "open_command",
    "exec": "exec_command",
    "run": "run",
    "shell": "shell",
    "jobs": "jobs",
    "ports": "ports",
    "forward": "forward",
    "egress": "egress",
    "network": "network",
    "cp": "cp",
    "sync": "sync",
    "events": "events",
    "config": "config",
    "keys": "keys",
    "doctor": "doctor.command",
    "version": "version",
    "demo": "demo",
    "web": "web",
}
"""The modules of subcommands that need no other: the options of all others took a third of the time of `sandtui ls`."""


def make_parser(command: str = "") -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser], Given]:
    """Return the parser, the subcommands by name, and the collector of global options.

    With the name of a ``command``, there may be no other subcommand than this one.
    """
    from sandtui.cli.parsing import CommandParser, add_everywhere

    parser: argparse.ArgumentParser = CommandParser(
        prog="sandtui",
        description="Manage fleets of Prime sandboxes. Without a command, opens the dashboard.",
        epilog="`sandtui help` lists the topics of the manual.",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    if command in ALONE:
        import_module(f"sandtui.cli.{ALONE[command]}").add_parser(subparsers)
    else:
        _add_all(parser, subparsers)
    parser.set_defaults(run=lambda chosen: open_dashboard(chosen.options), why_not="", connects=False)
    return parser, subparsers.choices, add_everywhere(parser)


def _add_all(parser: argparse.ArgumentParser, subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from sandtui.cli import (
        checkpoint,
        completion,
        config,
        cost,
        cp,
        create,
        demo,
        diff,
        egress,
        events,
        exec_command,
        fork,
        forward,
        get,
        image,
        jobs,
        keys,
        lease,
        logs,
        ls,
        manual,
        network,
        open_command,
        ports,
        reap,
        rm,
        run,
        shell,
        sync,
        top,
        version,
        view,
        volume,
        wait,
        web,
        why,
    )
    from sandtui.cli.doctor import command as doctor
    from sandtui.local import commands as local_commands

    # In the order of the help: the fleet, what runs in sandboxes, files, the program itself.
    for command in (
        *(ls, get, create, fork, checkpoint, wait, rm, lease, reap, cost, why, top, logs, view, open_command),
        *(exec_command, run, shell, jobs, ports, forward, egress, network),
        *(cp, sync, diff, volume, image),
        *(events, config, keys, doctor, manual, version, demo, web),
    ):
        command.add_parser(subparsers)
    local_commands.add_parsers(subparsers)
    completion.add_parser(subparsers, parser)
    for name in ("serve", "local"):
        subparsers.choices[name].set_defaults(takes=NOTHING, why_not="it always uses the local platform")
