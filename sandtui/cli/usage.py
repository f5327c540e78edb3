"""Errors, warnings and output encoding of all subcommands."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from sandtui.printable import clean

FAILURE, USAGE_ERROR, LEFT_OUT = 1, 2, 3


class UsageError(Exception):
    """The arguments, the settings or the environment are not valid; nothing was done. The exit code is 2."""


def complain(message: object) -> None:
    """Write a line to standard error, if it is open.

    Control characters are removed: part of the message may come from a platform or a sandbox.
    """
    if sys.stderr is not None:
        print(f"sandtui: {clean(str(message))}", file=sys.stderr)


def refuse(message: object) -> int:
    """Report why nothing was done; return the exit code 2."""
    complain(message)
    return USAGE_ERROR


def on_terminal(*names: str) -> bool:
    """Whether all of some standard streams are open and terminals."""
    streams = (getattr(sys, name) for name in names)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


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
