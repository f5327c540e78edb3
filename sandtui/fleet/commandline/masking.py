"""What is kept of a command: never a value that looks secret.

The rule: the value of an assignment (``NAME=value``) or a long option (``--name=value``, ``--name value``) is left
out when the name holds pass, pwd, secret, token, private, key, cred or auth, in any case; so is what stands after
``Authorization:`` and ``Bearer``, the password of a URL, and a PEM block. A line that begins with a blank is not
kept at all.
"""

from __future__ import annotations

import re

HIDDEN = "<hidden>"
"""Stands for what was left out. A shell refuses it, so that a masked command can't run by mistake."""

_NAME = r"[A-Za-z0-9_-]*(?:pass|pwd|secret|token|private|key|cred|auth)[A-Za-z0-9_-]*"
_VALUE = r"""(?:"(?:\\.|[^"\\])*"?|'[^']*'?|\$\([^)]*\)?|\\.|[^\s;&|"'\\])+"""
_ASSIGNED = re.compile(rf"(?<![A-Za-z0-9_-])({_NAME}\+?=)(?!\s){_VALUE}", re.IGNORECASE)
_OPTION = re.compile(rf"(--?{_NAME}[ \t]+)(?!-){_VALUE}", re.IGNORECASE)
_HEADER = re.compile(
    r"((?:proxy-)?authorization:[ \t]*|\bbearer[ \t]+|\bbasic[ \t]+)[^\s'\"]+(?:[ \t]+[^\s'\"]+)?", re.IGNORECASE
)
_KEY_HEADER = re.compile(rf"({_NAME}:[ \t]*)[^\s'\"]+", re.IGNORECASE)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)


def masked(command: str) -> str | None:
    """Return what may be kept of a command, or None when nothing may: it begins with a blank."""
    if not command.strip() or command[0] in " \t":
        return None
    text = _PEM.sub(HIDDEN, command)
    text = _URL.sub(rf"\1{HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    text = _OPTION.sub(rf"\1{HIDDEN}", text)
    return _KEY_HEADER.sub(rf"\1{HIDDEN}", text)


def told(command: str) -> str:
    """Return a command for a line that says what was done: masked, and nothing but a word when it is not kept."""
    kept = masked(command)
    return kept if kept is not None else "(a command that is not kept)"
