"""Run the local platform's subcommands alone: ``python -m sandtui.local serve``."""

import argparse
import sys

from sandtui.local import commands


def main() -> int:
    """Parse the command line and run it."""
    parser = argparse.ArgumentParser(prog="sandtui")
    commands.add_parsers(parser.add_subparsers(metavar="COMMAND", required=True))
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
