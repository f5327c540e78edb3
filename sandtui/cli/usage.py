"""What every subcommand says when it can't do what was asked."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from sandtui.printable import clean

FAILURE, USAGE_ERROR, LEFT_OUT = 1, 2, 3


class UsageError(Exception):
    """The arguments, the settings or the surroundings can't be used; nothing was done. The exit code is 2."""


def complain(message: object) -> None:
    """Write a line to standard error; whoever closed it does not want to know.

    What strangers put into it, such as the platform, reaches no terminal as it came.
    """
    if sys.stderr is not None:
        print(f"sandtui: {clean(str(message))}", file=sys.stderr)


def refuse(message: object) -> int:
    """Say why nothing was done; return the exit code for it."""
    complain(message)
    return USAGE_ERROR


def on_terminal(*names: str) -> bool:
    """Whether all of some standard streams are terminals; one that was closed is none."""
    streams = (getattr(sys, name) for name in names)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def drop_output() -> None:
    """Send the rest of our output nowhere: its reader went away, and the interpreter would complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed and not stream.isatty():
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def draw_in_utf8() -> None:
    """Have the terminal's streams write UTF-8, whatever the locale says: a frame has letters of no other encoding."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, TextIOWrapper) and not stream.closed:
            stream.reconfigure(encoding="utf-8", errors="replace")


def print_in_any_encoding() -> None:
    """Have what the output's encoding lacks written as ``\\uXXXX``: a name must not end the program.

    A terminal that would get something else than ASCII for ASCII, as with ``PYTHONIOENCODING=utf-16``, gets UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.closed:
            if stream.isatty() and "a".encode(stream.encoding) != b"a":
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors="backslashreplace")
