"""``--log [FILE]``: the debug log, for the dashboard and every subcommand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

OPTION = "--log"
USAGE_ERROR = 2


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option to the program's own."""
    parser.add_argument(
        OPTION,
        nargs="?",
        const="",
        metavar="FILE",
        help="write a debug log: requests, what was done and said, faults; never a secret. Only you can read it, and "
        "it stays below 8 MB. Without FILE it is debug.log in the state directory; goes before the subcommand",
    )


def separated(words: Sequence[str], commands: Container[str]) -> list[str]:
    """Return a command line in which a bare ``--log`` does not take the subcommand for its file."""
    apart = list(words)
    for place, word in enumerate(apart):
        if word in commands or word == "--":
            break
        if word == OPTION:
            following = apart[place + 1] if place + 1 < len(apart) else "-"
            if following.startswith("-") or following in commands:
                apart[place] = f"{OPTION}="
    return apart


def run_logged(file: str, words: Sequence[str], run: Callable[[], int]) -> int:
    """Run something with a log, in a file or the usual one; return the exit code, 2 when that can't be written."""
    from sandtui.config.debug_log import LogError, debug_log, words_of
    from sandtui.config.paths import Paths

    path = Path(file).expanduser() if file else Paths.of_user().debug_log
    try:
        with debug_log(path, words_of(words)):
            code = run()
    except LogError as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return USAGE_ERROR
    print(f"sandtui: the log is in {path}", file=sys.stderr)
    return code
