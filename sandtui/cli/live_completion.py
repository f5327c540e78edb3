"""Completes names, ids and labels of the fleet, for a shell that waits: from a small file, within milliseconds.

The file is written by `sandtui ls` and, when it is older than a few seconds, by a process that nobody waits for. Only
modules that load at once are imported here; :mod:`sandtui.cli.fleet_names` does the rest.
"""

from __future__ import annotations

import os
import sys
import time
import zlib

FRESH_SECONDS = 5.0
"""An older file is used, and renewed for the next time."""

FIRST_SECONDS = 2.0
"""How long a shell waits where there is no file yet."""

MOST = 500
"""Completions at most: nobody reads more."""

STATUSES = ("pending", "provisioning", "running", "paused", "error", "timeout", "terminated")
KEYS = ("label:", "status:", "image:", "name:", "id:", "error:", "region:", "user:", "team:", "age<", "age>", "left<")

_VARIABLES = ("PRIME_API_KEY", "PRIME_API_BASE_URL", "PRIME_TEAM_ID", "PRIME_CONTEXT", "SANDTUI_PROFILE")


def answer(words: list[str]) -> int:
    """Print what a word may be completed with: ``KIND WORD LINE...``, where LINE is all that was typed."""
    kind, word, *line = [*words, "", ""][: max(2, len(words))]
    for text in completions(kind, word, line):
        sys.stdout.write(f"{text}\n")
    return 0


def completions(kind: str, word: str, line: list[str]) -> list[str]:
    """Return the completions of a word, those that it begins."""
    if kind == "presets":
        return _beginning(word, _presets())
    path = names_file(line)
    rows = _read(path, line)
    if kind == "contexts":
        return _beginning(word, _contexts(path))
    names = [row[1] for row in rows if row[1]]
    ids = [row[0] for row in rows] if word else []
    if kind == "remote":
        return [f"{text}:" for text in _beginning(word, [*names, *ids])] if ":" not in word else []
    if kind == "targets":
        sign = "-" if word.startswith("-") else "!" if word.startswith("!") else ""
        bare = word[len(sign) :]
        labels = dict.fromkeys(label for row in rows for label in row[2:])
        terms = [f"#{label}" for label in labels] if bare.startswith("#") else []
        terms += [f"label:{label}" for label in labels] if bare.startswith("label:") else []
        terms += [f"status:{status}" for status in STATUSES] if bare.startswith("status:") else []
        terms += list(KEYS) if bare and ":" not in bare else []
        found = [f"{sign}{text}" for text in _beginning(bare, terms)]
        return [*found, *_beginning(word, [*names, *ids])][:MOST]
    return _beginning(word, [*names, *ids])


def _beginning(word: str, texts: list[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text.startswith(word)))[:MOST]


def names_file(line: list[str]) -> str:
    """Return the path of the file for the context that a command line chooses. No key can be told from it."""
    chosen = [os.environ.get(name, "") for name in _VARIABLES]
    chosen += context_of(line)
    text = "\0".join([*chosen, os.environ.get("HOME", "")]).encode("utf-8", "surrogateescape")
    return os.path.join(state_directory(), "names", f"{zlib.crc32(text):08x}{zlib.adler32(text[::-1]):08x}")  # noqa: PTH118 - pathlib takes longer to load than all else


def context_of(line: list[str]) -> list[str]:
    """Return the words of a command line that choose its context."""
    found: list[str] = []
    for place, word in enumerate(line):
        if word == "--local":
            found.append(word)
        elif word in {"--context", "--profile"} and place + 1 < len(line):
            found += ["--context", line[place + 1]]
        elif word.startswith(("--context=", "--profile=")):
            found += ["--context", word.partition("=")[2]]
    return found


def state_directory() -> str:
    """Return the directory of :class:`sandtui.config.paths.Paths`, without loading what that needs."""
    home = os.path.expanduser("~")  # noqa: PTH111 - as above
    if sys.platform == "darwin":
        default = f"{home}/Library/Application Support"
        return f"{os.environ.get('XDG_STATE_HOME', '').strip() or default}/sandtui"
    return f"{os.environ.get('XDG_STATE_HOME', '').strip() or f'{home}/.local/state'}/sandtui"


def _read(path: str, line: list[str]) -> list[list[str]]:
    try:
        age = time.time() - os.stat(path).st_mtime  # noqa: PTH116 - as above
    except OSError:
        _renew(line)
        end = time.monotonic() + FIRST_SECONDS
        while not os.path.exists(path) and time.monotonic() < end:  # noqa: PTH110 - as above
            time.sleep(0.02)
    else:
        if age > FRESH_SECONDS:
            _renew(line)
    return [each.split("\t") for each in _lines(path)]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            return file.read().splitlines()
    except OSError:
        return []


def _contexts(path: str) -> list[str]:
    return [line for line in _lines(f"{path}.contexts") if line]


def _presets() -> list[str]:
    home = os.path.expanduser("~")  # noqa: PTH111 - as above
    default = f"{home}/Library/Application Support" if sys.platform == "darwin" else f"{home}/.config"
    folder = f"{os.environ.get('XDG_CONFIG_HOME', '').strip() or default}/sandtui/presets"
    try:
        return sorted(name[: -len(".toml")] for name in os.listdir(folder) if name.endswith(".toml"))  # noqa: PTH208 - as above
    except OSError:
        return []


def _renew(line: list[str]) -> None:
    """Write the file anew, in a process that nobody waits for."""
    import subprocess

    from sandtui.local.interpreter import DIRECTORY, environment, module_command

    command = module_command("sandtui.cli.fleet_names", *context_of(line))
    null = subprocess.DEVNULL
    try:  # noqa: SIM105 - contextlib would have to be loaded
        subprocess.Popen(  # noqa: S603
            command, stdin=null, stdout=null, stderr=null, env=environment(), cwd=DIRECTORY, process_group=0
        )
    except OSError:
        pass  # a completion has nobody to complain to
