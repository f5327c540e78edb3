"""Checks whether commands in a sandbox can see an uploaded file, and why not."""

from __future__ import annotations

_REFUSED, _ELSEWHERE = 91, 92


def check_command(variable: str) -> str:
    """Return the start of a script: it exits when the file named by a shell variable does not exist.

    On a platform where uploads and commands have different roots, an upload may succeed into a directory that commands
    can't write to, or don't have; the shell's error then gives the reason.
    """
    name = f'"${variable}"'
    return f"[ -f {name} ] || {{ (: > {name}) || exit {_REFUSED}; rm -f {name}; exit {_ELSEWHERE}; }}; "


def problem(code: int, stderr: str, target: str) -> str | None:
    """Return the message for an exit code of :func:`check_command`, or None for any other code."""
    if code == _REFUSED:
        return f"{target}: {stderr.strip().rpartition(': ')[2] or 'not writable'}"
    if code == _ELSEWHERE:
        return f"{target}: not visible to commands in the sandbox after the upload; use a path in its working directory"
    return None
