"""Whether commands of a sandbox find what was uploaded to it, and why not."""

from __future__ import annotations

_REFUSED, _ELSEWHERE = 91, 92


def check_command(variable: str) -> str:
    """Return the beginning of a script that ends it when the file that a variable names is not there.

    A platform whose uploads and commands have different roots takes files for directories that commands can't write
    to, or do not have: then the shell says why.
    """
    name = f'"${variable}"'
    return f"[ -f {name} ] || {{ (: > {name}) || exit {_REFUSED}; rm -f {name}; exit {_ELSEWHERE}; }}; "


def problem(code: int, stderr: str, target: str) -> str | None:
    """Return what an exit code of :func:`check_command` stands for, when it is one."""
    if code == _REFUSED:
        return f"{target}: {stderr.strip().rpartition(': ')[2] or 'it can not be written'}"
    if code == _ELSEWHERE:
        return f"{target}: commands in the sandbox don't find what was uploaded; use a path in its working directory"
    return None
