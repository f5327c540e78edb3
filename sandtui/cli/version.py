"""``sandtui version``: the version, and those of what it runs on."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping

from sandtui import __version__
from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.output import JSON, JSON_LINES, ObjectKind, ObjectPrinter, add_output

VERSION: ObjectKind[Mapping[str, str]] = ObjectKind(
    columns=(),
    record=lambda found: found,
    name=lambda found: found["version"],
    fields={
        "version": "of sandtui",
        "python": "of Python",
        "system": "the operating system",
        "machine": "the processor",
    },
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "version", help="print the version", description="Print the version of sandtui, as -V does; with -o json more."
    )
    add_output(parser, lambda: VERSION, sort=False, formats=(JSON, JSON_LINES))
    parser.set_defaults(run=run, takes=NOTHING, why_not=NO_PLATFORM)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if arguments.output is None:
        print(f"sandtui {__version__}")
        return 0
    found = {
        "version": __version__,
        "python": platform.python_version(),
        "system": sys.platform,
        "machine": platform.machine(),
    }
    printer = ObjectPrinter(VERSION, arguments, single=True)
    printer.add([found])
    printer.end()
    return 0
