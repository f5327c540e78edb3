"""``sandtui keys``: the keys of all actions, with the changes of the settings file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.usage import refuse
from sandtui.config.paths import Paths


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "keys",
        help="list all keys and actions",
        description="List all keys, action ids and what they do, with the changes of the settings file. "
        "Exit code 1: some lines of [keys] are not valid.",
    )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.set_defaults(run=run, takes=NOTHING, why_not=NO_PLATFORM)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.config.settings import SettingsError, load_settings
    from sandtui.fleet.keymap import read_keymap, table

    try:
        keymap = read_keymap(load_settings(Paths.of_user().settings).keys)
    except SettingsError as error:
        return refuse(error)
    rows = table(keymap)
    if arguments.markdown:
        print(markdown(rows), end="")
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for *columns, words in rows:
            print("  ".join(f"{text:<{width}}" for text, width in zip(columns, widths, strict=True)) + f"  {words}")
    for problem in keymap.problems:
        print(f"sandtui: {problem}", file=sys.stderr)
    return 1 if keymap.problems else 0


def markdown(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Return the table in Markdown."""
    text = ["| where | keys | action | what it does |\n|---|---|---|---|\n"]
    for where, keys, name, words in rows:
        shown = " ".join(f"`{key}`" for key in keys.split()).replace("|", "\\|")
        text.append(f"| {where} | {shown} | `{name}` | {words} |\n")
    return "".join(text)
