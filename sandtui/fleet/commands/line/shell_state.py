"""The shell state that a console carries from one command to the next: directory and exported variables.

Each command runs in a new shell, so the effects of ``cd``, ``export`` and ``unset`` are read back afterwards and
applied to the next one. They are stored in a directory of the sandbox with a random name that only its user can enter,
so that no output of a command can be mistaken for them. It is removed after reading, and when the command is stopped.

Carried: the working directory and exported variables. Not carried: shell variables that are not exported, functions,
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
"""Maximum size of each file that is read back."""

MAX_CARRIED = 64 * 1024
"""Maximum characters of carried variables; they are sent with every command."""

FORGOTTEN_MINUTES = 60
"""Age after which state files are stale: a command takes at most 15 minutes."""

_CHANGES = re.compile(
    r"(?:^|[;&|(){}\n`!]|\b(?:then|do|else|builtin|command|time)\b)[ \t]*(?:[A-Za-z_]\w*=\S*[ \t]+)*"
    r"(?:(?:cd|pushd|popd|export|unset|source|\.|eval|set|declare|typeset|readonly)(?=[\s;&|)]|$)|\$[{(A-Za-z_])"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELLS_OWN = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})


@dataclass(frozen=True, slots=True)
class Carried:
    """Directory and variables of the next command. ``directory`` is None until a command changes it."""

    directory: str | None = None
    exported: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @property
    def variables(self) -> str:
        """The number of changed variables: ``+2 -1``, or empty."""
        parts = [f"+{len(self.exported)}"] if self.exported else []
        return " ".join([*parts, f"-{len(self.removed)}"] if self.removed else parts)


class StateLostError(Exception):
    """The shell state could not be read back; the message says why."""


def may_change(command: str) -> bool:
    """Whether a command may change the state. Any other command is sent unchanged."""
    return _CHANGES.search(command) is not None


def plain(command: str, carried: Carried) -> str:
    """Return a command that can't change the state, with the removed variables unset."""
    return f"unset {' '.join(sorted(carried.removed))}\n{command}" if carried.removed else command


def recording(command: str, carried: Carried, token: str) -> str:
    """Return a script that runs a command and stores the shell state; the exit code is the command's.

    ``token`` consists of random letters and digits.
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
    """Return the command that prints the stored state and removes it.

    Stale state files, left after a crash or a lost connection, are removed too.
    """
    return (
        f"d={_folder(token)}; for f in cwd before after; do command -p cat $d/$f 2>/dev/null "
        f"| command -p head -c {MAX_BYTES} | command -p base64 | command -p tr -d '\\n'; echo; done; "
        f"command -p rm -rf $d; command -p find {_folder('?' * 32)} -prune -mmin +{FORGOTTEN_MINUTES} "
        "-exec rm -rf {} + 2>/dev/null"
    )


def forgetting(token: str) -> str:
    """Return the command that removes the stored state."""
    return f"command -p rm -rf {_folder(token)}"


def carry_on(carried: Carried, text: str) -> Carried:
    """Return the new state, from the output of :func:`reading`.

    Raises:
        StateLostError: no state was stored, or it can't be carried.
    """
    try:
        directory, before, after = (base64.b64decode(line, validate=True) for line in text.splitlines())
    except (ValueError, binascii.Error):
        raise StateLostError("the sandbox has no base64, or its output is invalid") from None
    if not directory:
        raise StateLostError("the shell's state was not saved")
    try:
        path = directory.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise StateLostError("the directory name is not UTF-8") from None
    if "\0" in path:
        raise StateLostError("invalid output from the sandbox")
    old, new = _variables(before), _variables(after)
    if not before or not after:
        return Carried(path, carried.exported, carried.removed)
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    gone = old.keys() - new.keys()
    exported = {name: value for name, value in {**carried.exported, **changed}.items() if name not in gone}
    removed = frozenset((carried.removed | gone) - exported.keys())
    if sum(len(name) + len(value) for name, value in exported.items()) > MAX_CARRIED:
        raise StateLostError(f"changed variables exceed {MAX_CARRIED:,} characters")
    return Carried(path, exported, removed)


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
