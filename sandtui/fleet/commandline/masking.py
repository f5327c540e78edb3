"""What is kept of a command: never a value that looks secret.

The rule: the value of an assignment (``NAME=value``), an option (``--name=value``, ``--name value``) or a field
(``Name: value``) is left out when the name holds pass, pwd, secret, token, private, key, cred or auth, in any case; so
is what stands after ``Authorization:`` and ``Bearer``, the password of a URL, and a PEM block. A line that begins with
a blank is not kept at all.
"""

from __future__ import annotations

import re

HIDDEN = "<hidden>"
"""Stands for what was left out. A shell refuses it, so that a masked command can't run by mistake."""

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
