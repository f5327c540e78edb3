"""``sandtui keys``: the keys of all actions, with the changes of the settings file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.usage import refuse
from sandtui.config.paths import Paths

KEYS: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="where", heading="WHERE", cell=lambda row, _: row[0]),
        TextColumn(id="keys", heading="KEYS", cell=lambda row, _: row[1]),
        TextColumn(id="action", heading="ACTION", cell=lambda row, _: row[2]),
        TextColumn(id="words", heading="WHAT IT DOES", cell=lambda row, _: row[3], least=20),
    ),
    record=lambda row: {"where": row[0], "keys": row[1].split(), "action": row[2], "words": row[3]},
    name=lambda row: row[2],
    fields={
        "where": "the screen",
        "keys": "a list",
        "action": "the name for [keys] of the settings file",
        "words": "what it does",
    },
)
"""What is printed of each action."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "keys",
        help="list all keys and actions",
        description="List all keys, action ids and what they do, with the changes of the settings file. "
        "Exit code 1: some lines of [keys] are not valid.",
    )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    add_output(parser, lambda: KEYS, sort=False)
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
    if arguments.markdown and (arguments.output or arguments.columns):
        return refuse("--markdown and -o cannot be combined")
    if arguments.output or arguments.columns:
        printer = ObjectPrinter(KEYS, arguments)
        printer.add(rows)
        printer.end()
    elif arguments.markdown:
        print(markdown(rows), end="")
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for *columns, words in rows:
            print("  ".join(f"{text:<{width}}" for text, width in zip(columns, widths, strict=True)) + f"  {words}")
    for problem in (*keymap.problems, *keymap.notes):
        print(f"sandtui: {problem}", file=sys.stderr)
    return 1 if keymap.problems else 0


def markdown(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Return the table in Markdown."""
    text = ["| where | keys | action | what it does |\n|---|---|---|---|\n"]
    for where, keys, name, words in rows:
        shown = " ".join(f"`{key}`" for key in keys.split()).replace("|", "\\|")
        text.append(f"| {where} | {shown} | `{name}` | {words} |\n")
    return "".join(text)
