"""``sandtui doctor``: checks the setup and suggests fixes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from sandtui.cli.options import Options
from sandtui.cli.output import add_json_lines
from sandtui.cli.usage import USAGE_ERROR, UsageError
from sandtui.config.paths import Paths
from sandtui.fleet.text.sanitize import clean

LOCAL_CONTEXT = "local"

if TYPE_CHECKING:
    from sandtui.cli.doctor.finding import Finding


FIELDS = {
    "name": "what is checked",
    "state": "ok, warning or error",
    "text": "what was found",
    "fix": "what to do about it, or an empty text",
}
"""The fields of the JSON of each check."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the setup and suggest fixes",
        description="Check Python, the terminal, the local platform's drivers, settings, keys, the connection, the "
        "clock and directories, and suggest fixes. Exit code 1: something does not work; 2: the settings or the "
        "profile are not valid.",
    )
    add_json_lines(parser, FIELDS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    options: Options = arguments.options
    usable = True
    try:
        options.context()
    except UsageError:
        if options.profile is not None:
            raise
        usable = False  # reported as a finding
    profile = LOCAL_CONTEXT if options.local else options.profile or ""
    code = asyncio.run(_check(profile, as_json=arguments.json))
    return code if usable else USAGE_ERROR


async def _check(profile: str, *, as_json: bool) -> int:
    signs = {"ok": "✓", "warning": "▲", "error": "✖"}
    encoding = (sys.stdout.encoding or "ascii").lower()
    if "utf" not in encoding:
        signs = {"ok": "ok ", "warning": "?  ", "error": "no "}
    worst: list[Finding] = []
    async for finding in _findings(profile):
        if finding.state == "error":
            worst.append(finding)
        if as_json:
            print(json.dumps(asdict(finding)), flush=True)
            continue
        print(f"{signs[finding.state]} {finding.name:<12} {clean(finding.text)}")
        if finding.fix:
            print(f"{'':<15}-> {clean(finding.fix)}", flush=True)
    return 1 if worst else 0


async def _findings(profile: str) -> AsyncIterator[Finding]:
    from sandtui.cli.doctor import drivers, machine, platform, terminal

    paths = Paths.of_user()
    yield machine.python()
    for finding in terminal.examine(os.environ, sys.stdout):
        yield finding
    async for found in drivers.examine():
        yield found
    async for found in platform.examine(paths, profile):
        yield found
    for finding in machine.files(paths):
        yield finding
