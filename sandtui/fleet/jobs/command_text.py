"""The command of a job: read back from the shell text that launched it, and kept without its secrets."""

from __future__ import annotations

import re
import shlex

from sandtui.fleet.commands.line.masking import HIDDEN, masked

LONGEST = 2000
"""Characters of a command that are kept."""

_WORD = r"(?:'[^']*'|\"'\"|[^\s'\";|&()])*+"
_PREFIXES = (
    re.compile(rf"\s*export [A-Za-z_][A-Za-z0-9_]*={_WORD};\s*"),
    re.compile(rf"\s*cd (?:-- )?{_WORD} (?:&&|\|\| exit 1;)\s*"),
)


def command_of(cmdline: str, job_id: str) -> str:
    """Return what a job runs, from the command line of the shell that runs it; empty when it can't be told.

    All launches so far run the command in a subshell, then write its exit code (client/WIRE.md 4). Variables that were
    set for the job are left out: they are where secrets are.
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
    return body.strip()[:LONGEST]


def kept_command(command: str) -> str:
    """Return a command as it may be shown and written down: without what looks secret."""
    return (masked(command.strip()) or "")[:LONGEST]


def is_whole(command: str) -> bool:
    """Return whether nothing of a command was left out, so that it can be run again."""
    return bool(command) and HIDDEN not in command


def _unquoted(body: str) -> str:
    try:
        words = shlex.split(body)
    except ValueError:
        return body[len("sh -c '") :].replace("'\"'\"'", "'")
    return words[2] if len(words) == 3 else body
