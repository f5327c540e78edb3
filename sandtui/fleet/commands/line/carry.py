"""What a console carries from one command to the next, as a shell would: its directory and exported variables.

Each command runs in a shell of its own, so what ``cd``, ``export`` and ``unset`` did is read back afterwards and given
to the next one. The way back is a folder in the sandbox with a random name that only its user can enter: nothing that
a command prints can be taken for it. It is removed when it has been read, and when the command is stopped.

Kept: the working directory and exported variables. Not kept: shell variables that are not exported, functions,
aliases, options, background jobs; and nothing of a command that was stopped, or that replaced the shell by ``exec``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandtui.client.shell_words import cd, word

MAX_BYTES = 200_000
"""Of each file that is read back."""

MAX_CARRIED = 64 * 1024
"""Characters of variables that are carried; they go out with every command."""

FORGOTTEN_MINUTES = 60
"""After which nobody reads back any more what was written down: a command takes 15 at most."""

_CHANGES = re.compile(
    r"(?:^|[;&|(){}\n`!]|\b(?:then|do|else|builtin|command|time)\b)[ \t]*(?:[A-Za-z_]\w*=\S*[ \t]+)*"
    r"(?:(?:cd|pushd|popd|export|unset|source|\.|eval|set|declare|typeset|readonly)(?=[\s;&|)]|$)|\$[{(A-Za-z_])"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELLS_OWN = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})


@dataclass(frozen=True, slots=True)
class Carried:
    """Where the next command runs and what it finds there. ``directory`` is None until something changed it."""

    directory: str | None = None
    exported: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @property
    def variables(self) -> str:
        """The changed variables in short: ``+2 -1``, or nothing."""
        parts = [f"+{len(self.exported)}"] if self.exported else []
        return " ".join([*parts, f"-{len(self.removed)}"] if self.removed else parts)


class NotKept(Exception):
    """What a command changed could not be read back; its text says why."""


def may_change(command: str) -> bool:
    """Whether a command may change what is carried. One that can't is sent as it is."""
    return _CHANGES.search(command) is not None


def plain(command: str, carried: Carried) -> str:
    """Return a command that changes nothing, without the variables that were removed."""
    return f"unset {' '.join(sorted(carried.removed))}\n{command}" if carried.removed else command


def recording(command: str, carried: Carried, token: str) -> str:
    """Return what runs a command and writes down where it ended; the exit code is the command's own.

    ``token`` is random, of letters and digits.
    """
    folder = _folder(token)
    lines = [
        f"_sandtui={folder}",
        "_sandtui_keep() { _sandtui_code=$?; trap - EXIT; "
        '{ pwd >"$_sandtui/cwd"; command -p cat /proc/self/environ >"$_sandtui/after"; } 2>/dev/null; '
        "exit $_sandtui_code; }",
    ]
    if carried.removed:
        lines.append(f"unset {' '.join(sorted(carried.removed))}")
    if carried.directory is not None:
        gone = word(f"sandtui: no such directory: {carried.directory}")
        lines.append(f"{cd(carried.directory)} 2>/dev/null || printf '%s\\n' {gone} >&2")
    lines += [
        '(umask 077; command -p mkdir "$_sandtui" && '
        'command -p cat /proc/self/environ >"$_sandtui/before") 2>/dev/null',
        "trap _sandtui_keep EXIT",
        f"eval {word(command)}",
        "_sandtui_keep",
    ]
    return "\n".join(lines)


def reading(token: str) -> str:
    """Return the command that reads back what was written down, and removes it.

    What was written down for a program that was killed, or lost its connection, goes too when it is old enough.
    """
    return (
        f"d={_folder(token)}; for f in cwd before after; do command -p cat $d/$f 2>/dev/null "
        f"| command -p head -c {MAX_BYTES} | command -p base64 | command -p tr -d '\\n'; echo; done; "
        f"command -p rm -rf $d; command -p find {_folder('?' * 32)} -prune -mmin +{FORGOTTEN_MINUTES} "
        "-exec rm -rf {} + 2>/dev/null"
    )


def forgetting(token: str) -> str:
    """Return the command that removes what was written down."""
    return f"command -p rm -rf {_folder(token)}"


def carry_on(carried: Carried, text: str) -> Carried:
    """Return what is carried after a command, from what :func:`reading` printed.

    Raises:
        NotKept: nothing was written down, or it can't be carried.
    """
    try:
        directory, before, after = (base64.b64decode(line, validate=True) for line in text.splitlines())
    except (ValueError, binascii.Error):
        raise NotKept("the sandbox has no base64, or answered something else") from None
    if not directory:
        raise NotKept("the command did not leave a shell behind")
    try:
        place = directory.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise NotKept("the directory's name is not UTF-8") from None
    if "\0" in place:
        raise NotKept("the sandbox answered something else")
    old, new = _variables(before), _variables(after)
    if not before or not after:
        return Carried(place, carried.exported, carried.removed)
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    gone = old.keys() - new.keys()
    exported = {name: value for name, value in {**carried.exported, **changed}.items() if name not in gone}
    removed = frozenset((carried.removed | gone) - exported.keys())
    if sum(len(name) + len(value) for name, value in exported.items()) > MAX_CARRIED:
        raise NotKept(f"the changed variables are longer than {MAX_CARRIED:,} characters")
    return Carried(place, exported, removed)


def _variables(environment: bytes) -> dict[str, str]:
    found = {}
    for entry in environment.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        try:
            key, text = name.decode(), value.decode()
        except UnicodeDecodeError:
            continue
        if equals and _NAME.fullmatch(key) and key not in _SHELLS_OWN and not key.startswith("_sandtui"):
            found[key] = text
    return found


def _folder(token: str) -> str:
    return f"/tmp/.sandtui-{token}"  # noqa: S108 - in the sandbox, with a name nobody can guess
