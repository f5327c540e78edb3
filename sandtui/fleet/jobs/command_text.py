"""The command of a job: parsed from the shell script that launched it, and redacted for storage."""

from __future__ import annotations

import re
import shlex

from sandtui.fleet.commands.line.redaction import HIDDEN, redact

MAX_CHARACTERS = 2000
"""Characters of a command that are stored."""

_WORD = r"(?:'[^']*'|\"'\"|[^\s'\";|&()])*+"
_PREFIXES = (
    re.compile(rf"\s*export [A-Za-z_][A-Za-z0-9_]*={_WORD};\s*"),
    re.compile(rf"\s*cd (?:-- )?{_WORD} (?:&&|\|\| exit 1;)\s*"),
)


def command_of(cmdline: str, job_id: str) -> str:
    """Return what a job runs, from the command line of its shell; empty when it is not recognized.

    All known launchers run the command in a subshell, then write its exit code (client/WIRE.md 4). Variables that were
    set for the job are left out, since they may hold secrets.
    """
    script = cmdline.replace("\0", " ")
    opening = script.find("(")
    if opening < 0:
        return ""
    body = script[opening + 1 :]
    end = re.search(rf"\)\s*(?:> ?/tmp/job_{job_id}\.stdout\.log[^;]*)?; ?echo \$\? > ?/tmp/job_{job_id}\.exit", body)
    whole = end is not None
    body = body[: end.start()] if end is not None else body
    body = body.strip()
    for prefix in _PREFIXES:
        while match := prefix.match(body):
            if not match.end():
                break
            body = body[match.end() :]
    if body.startswith("export "):
        return ""
    if body.startswith("sh -c '") or (body.startswith("sh -c ") and whole and " " not in body[6:]):
        body = _unquoted(body)
    return body.strip()[:MAX_CHARACTERS]


def redacted_command(command: str) -> str:
    """Return a command as it may be shown and stored: without anything that looks like a secret."""
    return (redact(command.strip()) or "")[:MAX_CHARACTERS]


def is_complete(command: str) -> bool:
    """Return whether a command is known in full, so that it can be run again."""
    return bool(command) and HIDDEN not in command


def _unquoted(body: str) -> str:
    try:
        text = shlex.split(body)
    except ValueError:
        return body[len("sh -c '") :].replace("'\"'\"'", "'")
    return text[2] if len(text) == 3 else body
