"""Redaction of commands and logs: values that look like secrets are never stored or shown.

The rule: the value of an assignment (``NAME=value``), an option (``--name=value``, ``--name value``) or a field
(``Name: value``) is redacted when the name contains pass, pwd, secret, token, private, key, cred or auth, in any case;
so is what follows ``Authorization:`` and ``Bearer``, the password of a URL, and a PEM block. A command that starts
with a space is not recorded at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sandtui.fleet.text.sanitize import clean_lines

HIDDEN = "<hidden>"
"""Replaces a redacted value. It is a shell syntax error, so that a redacted command can't run by mistake."""

MIN_SECRET_LENGTH = 4
"""Characters of a registered secret: a shorter one would match in any text."""

MAX_LOG_LENGTH = 500
"""Characters of a command in an activity entry."""

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
"""Where a validation error quotes its input."""


def redact(command: str) -> str | None:
    """Return a command with its secrets redacted, or None for one that is empty or starts with a space."""
    if not command.strip() or command[0] in " \t":
        return None
    text = _PEM.sub(HIDDEN, command)
    text = _URL.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _ASSIGNED.sub(_hide, text)
    text = _OPTION.sub(_hide_option, text)
    return _FIELD.sub(_hide, text)


def is_secret_name(name: str) -> bool:
    """Return whether the value of this name is redacted."""
    return _SECRET.search(name) is not None


registered_secrets: set[str] = set()
"""Secrets that are redacted wherever they appear."""


def add_secrets(*secrets: str) -> None:
    """Register secrets that :func:`redact_lines` redacts from now on, such as an API key."""
    registered_secrets.update(secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH)


def redact_lines(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """Return the lines of a log or a traceback, redacted and safe to draw.

    ``secrets`` and the registered ones are redacted wherever they appear, and so is anything that looks like one.
    No line is dropped: the rule about a leading space is for commands only.
    """
    for secret in sorted(registered_secrets.union(secrets), key=len, reverse=True):
        if secret:
            text = text.replace(secret, HIDDEN)
            quoted = repr(secret)[1:-1]
            text = text.replace(quoted, HIDDEN) if quoted != secret else text
    text = _INPUT.sub(f"input_value={HIDDEN}", _PEM.sub(HIDDEN, text))
    return [_redact_line(line) for line in clean_lines(text)]


def _redact_line(line: str) -> str:
    bare = line.lstrip(" ")
    return line[: len(line) - len(bare)] + (redact(bare) or "")


def redact_for_log(command: str) -> str:
    """Return a command for an activity entry: redacted and shortened, or a placeholder when it is not recorded."""
    text = redact(command[:MAX_LOG_LENGTH])
    if text is None:
        return "(command not recorded)"
    return text if len(command) <= MAX_LOG_LENGTH else f"{text} …"


def _hide(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{HIDDEN}" if _SECRET.search(match[1]) else match[0]


def _hide_option(match: re.Match[str]) -> str:
    return _hide(match) if match[1].startswith("-") else match[0]
