"""``sandtui config``: create and validate the settings file."""

from __future__ import annotations

import argparse

from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.usage import refuse
from sandtui.client.errors import ConfigurationError
from sandtui.config.paths import Paths
from sandtui.fleet.text.sanitize import clean


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
    ):
        action = actions.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        action.set_defaults(run=run, action=name)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.config.contexts import choose, contexts
    from sandtui.config.settings import SettingsError, load_settings, write_commented

    path = Paths.of_user().settings
    try:
        if arguments.action == "path":
            print(path)
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
