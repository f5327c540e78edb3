"""``sandtui config``: create and validate the settings file."""

from __future__ import annotations

import argparse
from typing import Any

from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.usage import refuse
from sandtui.client.errors import ConfigurationError
from sandtui.config.paths import Paths
from sandtui.fleet.text.sanitize import clean

CONTEXTS: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="current", heading="", cell=lambda row, _: "*" if row[1] else " "),
        TextColumn(id="name", heading="NAME", cell=lambda row, _: row[0].name),
        TextColumn(id="kind", heading="KIND", cell=lambda row, _: row[0].kind),
        TextColumn(id="description", heading="WHERE", cell=lambda row, _: row[0].description, least=20),
        TextColumn(
            id="marks",
            heading="MARKS",
            cell=lambda row, _: " ".join(["read-only"] * row[0].read_only + ["production"] * row[0].production),
        ),
    ),
    record=lambda row: {
        "name": row[0].name,
        "current": row[1],
        "kind": row[0].kind,
        "description": row[0].description,
        "read_only": row[0].read_only,
        "production": row[0].production,
    },
    name=lambda row: row[0].name,
    fields={
        "name": "for --context",
        "current": "whether it is used without --context",
        "kind": "local, prime (files and variables of the prime command) or profile (of the settings file)",
        "description": "where it leads",
        "read_only": "whether nothing may be changed",
        "production": "whether changes are asked for twice",
    },
)
"""What is printed of each context."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "config",
        help="create or validate the settings file",
        description="Create, validate or locate the settings file. Exit code 2: the file is not valid.",
    )
    parser.set_defaults(takes=NOTHING, why_not=NO_PLATFORM)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, words in (
        ("init", "write a settings file that explains every setting and sets none"),
        ("check", "validate the settings file and list the contexts"),
        ("path", "print the path of the settings file"),
        ("contexts", "list the contexts, for --context"),
    ):
        action = actions.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        action.set_defaults(run=run, action=name)
        if name == "contexts":
            add_output(action, lambda: CONTEXTS, sort=False)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.config.contexts import choose, contexts
    from sandtui.config.settings import SettingsError, load_settings, write_commented

    path = Paths.of_user().settings
    try:
        if arguments.action == "path":
            print(path)
        elif arguments.action == "contexts":
            printer = ObjectPrinter(CONTEXTS, arguments)
            settings = load_settings(path)
            chosen = choose(settings).name
            printer.add([(context, context.name == chosen) for context in contexts(settings)])
            printer.end()
        elif arguments.action == "init":
            write_commented(path)
            print(f"Created {path}")
        else:
            settings = load_settings(path)
            choose(settings)
            print(f"{path}: {'valid' if path.exists() else 'no such file; using defaults'}")
            for context in contexts(settings):
                marks = ["read-only"] * context.read_only + ["production"] * context.production
                print(f"  {clean(context.name):<20} {clean(context.description)}  {' '.join(marks)}".rstrip())
    except (SettingsError, ConfigurationError) as error:
        return refuse(error)
    return 0
