"""Values of options that several subcommands take."""

from __future__ import annotations

import argparse
import os
import re

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.IGNORECASE)


def seconds(text: str) -> float:
    """Read a duration, for argparse: ``90``, ``90s``, ``10m``, ``1h30m``, in seconds.

    Raises:
        ArgumentTypeError: it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: use 90s, 10m or 2h")
    days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(match[4] or 0)


def positive(text: str) -> int:
    """Read a whole number from 1, for argparse.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("expected a positive number")
    return int(text)


def user(text: str) -> str:
    """Read a user of a sandbox, for argparse: a name or a uid.

    Raises:
        ArgumentTypeError: it is none.
    """
    from sandtui.fleet.commands.line.users import user_problem

    if not text.strip() or user_problem(text):
        raise argparse.ArgumentTypeError("expected a user name or a uid of the sandbox")
    return text.strip()


def variable(text: str) -> tuple[str, str]:
    """Read a variable, for argparse: ``NAME=VALUE``, or the ``NAME`` of one of this process.

    Raises:
        ArgumentTypeError: it is none.
    """
    name, found, value = text.partition("=")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise argparse.ArgumentTypeError("expected NAME=VALUE, or NAME for the value that it has here")
    if not found and name not in os.environ:
        raise argparse.ArgumentTypeError(f"{name} is not set here: use NAME=VALUE")
    return name, value if found else os.environ[name]
