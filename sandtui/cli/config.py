"""``sandtui config``: the settings file, written with comments and checked."""

from __future__ import annotations

import argparse

from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.usage import refuse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "config",
        help="write or check the settings file",
        description="The settings file: profiles, keys, what the create form offers. Exit code 2: it can't be used.",
    )
    parser.set_defaults(takes=NOTHING, why_not=NO_PLATFORM)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, words in (
        ("init", "write a file in which everything is explained and nothing is set"),
        ("check", "say whether the file is right, and which contexts there are"),
        ("path", "print where the file is"),
    ):
        action = actions.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        action.set_defaults(run=run, action=name)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.client.errors import ConfigurationError
    from sandtui.config.contexts import choose, contexts
    from sandtui.config.paths import Paths
    from sandtui.config.settings import SettingsError, load_settings, write_commented
    from sandtui.fleet.text.sanitize import clean

    path = Paths.of_user().settings
    try:
        if arguments.action == "path":
            print(path)
        elif arguments.action == "init":
            write_commented(path)
            print(f"Written: {path}")
        else:
            settings = load_settings(path)
            choose(settings)
            print(f"{path}: {'right' if path.exists() else 'not there; all settings have their defaults'}")
            for context in contexts(settings):
                marks = ["read-only"] * context.read_only + ["production"] * context.production
                print(f"  {clean(context.name):<20} {clean(context.words)}  {' '.join(marks)}".rstrip())
    except (SettingsError, ConfigurationError) as error:
        return refuse(error)
    return 0
