"""What is kept of a command: never a value that looks secret.

The rule: the value of an assignment (``NAME=value``), an option (``--name=value``, ``--name value``) or a field
(``Name: value``) is left out when the name holds pass, pwd, secret, token, private, key, cred or auth, in any case; so
is what stands after ``Authorization:`` and ``Bearer``, the password of a URL, and a PEM block. A line that begins with
a blank is not kept at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sandtui.fleet.text.sanitize import clean_lines

HIDDEN = "<hidden>"
"""Stands for what was left out. A shell refuses it, so that a masked command can't run by mistake."""

SHORTEST = 4
"""Characters of what can be named as a secret: less would be found in any text."""

TOLD = 500
"""Characters of a command in a line that says what was done."""

_SECRET = re.compile("pass|pwd|secret|token|private|key|cred|auth", re.IGNORECASE)
# Each part is possessive or can be read in one way only: a pasted megabyte must not hold up the screen.
_NAME = r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]++)"
_VALUE = r"""(?:"(?:\\.|[^"\\])*+"?|'[^']*+'?|\$\([^)]*+\)?|\\.|[^\s;&|"'\\])++"""
_ASSIGNED = re.compile(rf"{_NAME}(\+?=)(?!\s){_VALUE}", re.DOTALL)
_OPTION = re.compile(rf"{_NAME}([ \t]++)(?!-){_VALUE}", re.DOTALL)
_FIELD = re.compile(rf"{_NAME}(:[ \t]*+)[^\s'\"]++")
_BEARER = re.compile(
    r"(authorization:[ \t]*+|\bbearer[ \t]++|\bbasic[ \t]++)[^\s'\"]++(?:[ \t]++[^\s'\"]++)?", re.IGNORECASE
)
_URL = re.compile(r"(://[^\s/:@'\"]*+:)[^\s/@'\"]++(?=@)")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]++-----.*?(?:-----END [A-Z0-9 ]++-----|\Z)", re.DOTALL)

_INPUT = re.compile(r"input_value=.*?(?=, input_type=|\]|$)", re.DOTALL)
"""Where a validation error repeats what it was given."""


def masked(command: str) -> str | None:
    """Return what may be kept of a command, or None when nothing may: it begins with a blank."""
    if not command.strip() or command[0] in " \t":
        return None
    text = _PEM.sub(HIDDEN, command)
    text = _URL.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _ASSIGNED.sub(_hide, text)
    text = _OPTION.sub(_hide_option, text)
    return _FIELD.sub(_hide, text)


def is_secret_name(name: str) -> bool:
    """Return whether what has this name is left out."""
    return _SECRET.search(name) is not None


named_secrets: set[str] = set()
"""What was named to be left out wherever it stands."""


def name_secrets(*words: str) -> None:
    """Have :func:`masked_lines` take these out from now on, such as the key of a connection."""
    named_secrets.update(word for word in words if len(word) >= SHORTEST)


def masked_lines(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """Return the lines of a log or a traceback without secrets, each safe to draw.

    ``secrets`` and those that were named are taken out wherever they stand, and so is whatever looks like one. Every
    line is kept: the rule about a blank at the beginning is for commands.
    """
    for secret in sorted(named_secrets.union(secrets), key=len, reverse=True):
        if secret:
            text = text.replace(secret, HIDDEN)
            quoted = repr(secret)[1:-1]
            text = text.replace(quoted, HIDDEN) if quoted != secret else text
    text = _INPUT.sub(f"input_value={HIDDEN}", _PEM.sub(HIDDEN, text))
    return [_masked_line(line) for line in clean_lines(text)]


def _masked_line(line: str) -> str:
    bare = line.lstrip(" ")
    return line[: len(line) - len(bare)] + (masked(bare) or "")


def told(command: str) -> str:
    """Return a command for a line that says what was done: masked, and nothing but words when it is not kept."""
    kept = masked(command[:TOLD])
    if kept is None:
        return "(a command that is not kept)"
    return kept if len(command) <= TOLD else f"{kept} …"


def _hide(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{HIDDEN}" if _SECRET.search(match[1]) else match[0]


def _hide_option(match: re.Match[str]) -> str:
    return _hide(match) if match[1].startswith("-") else match[0]
