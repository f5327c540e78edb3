"""Errors, warnings and output encoding of all subcommands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from sandtui.printable import clean

FAILURE = 1
"""Some of the work failed."""

USAGE_ERROR = 2
"""The command line, the settings or the answer to a question; or nothing matched. Nothing was done."""

NOT_REACHED = 3
"""The platform or a sandbox was not reached."""

LEFT_OUT = 4
"""Of a copy: files were left out."""

INTERRUPTED = 130

EXIT_CODES = """\
exit codes: 0 done; 1 some of it failed; 2 wrong usage, or nothing matched; 3 the platform or a sandbox was not
reached; 130 interrupted."""
"""The same for all subcommands, for their help."""

_quiet = False


class UsageError(Exception):
    """The arguments, the settings or the environment are not valid; nothing was done. The exit code is 2.

    ``usage`` is the usage line of the subcommand, where a mistake in the command line is the reason. ``details`` are
    further lines, such as the ids to choose from.
    """

    def __init__(self, message: str, *, usage: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.usage = usage
        self.details = tuple(details)


def complain(message: object) -> None:
    """Write a line to standard error, if it is open.

    Control characters are removed: part of the message may come from a platform or a sandbox.
    """
    if sys.stderr is not None:
        print(f"sandtui: {clean(str(message))}", file=sys.stderr)


def set_quiet(quiet: bool) -> None:
    """Choose whether :func:`note` says nothing."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether only results and errors are printed."""
    return _quiet


def note(message: object) -> None:
    """Write a line that is neither a result nor an error to standard error, unless ``--quiet`` was given."""
    if not _quiet:
        complain(message)


def refuse(message: object) -> int:
    """Report why nothing was done; return the exit code 2."""
    complain(message)
    return USAGE_ERROR


def on_terminal(*names: str) -> bool:
    """Whether all of some standard streams are open and terminals."""
    streams = (getattr(sys, name) for name in names)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def flush_output() -> None:
    """Write what standard output still holds.

    Raises:
        BrokenPipeError: the reader has gone.
    """
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def drop_output() -> None:
    """Discard further output after a broken pipe: the interpreter would report it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed and not stream.isatty():
            os.dup2(null, stream.fileno())
    os.close(null)


def draw_in_utf8() -> None:
    """Write UTF-8 to the terminal whatever the locale: frames need characters of no other encoding."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, TextIOWrapper) and not stream.closed:
            stream.reconfigure(encoding="utf-8", errors="replace")


def print_in_any_encoding() -> None:
    """Escape characters that the output encoding lacks as ``\\uXXXX``, so that no name ends the program.

    With an encoding that does not contain ASCII, such as ``PYTHONIOENCODING=utf-16``, a terminal gets UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.closed:
            if stream.isatty() and "a".encode(stream.encoding) != b"a":
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors="backslashreplace")
