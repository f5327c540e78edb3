"""Writes ``requirements.lock`` anew: ``make lock``.

It names, for every Python and system, each package with its version and the hashes of its archives: first what the
program needs and what builds it, then what only its developers need. No address of a registry stands in it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
DEVELOPMENT = "# For development\n"
OPTIONS = ("--universal", "--generate-hashes", "--python-version", "3.11", "--upgrade", "--quiet")
PLAIN = ("--no-header", "--no-annotate", "--no-emit-index-url")


def needed_to_run(lock: str) -> str:
    """Return the part of a lock that a user needs; the Makefile does the same."""
    return lock.partition(DEVELOPMENT)[0]


def packages(lock: str) -> dict[str, str]:
    """Return the entry of each package: its version, where it is for, its hashes."""
    entries = re.findall(r"^[A-Za-z0-9][^\n]*\n(?:[ \t][^\n]*\n)*", lock, re.MULTILINE)
    return {re.split(r"[=\[ ;]", entry, maxsplit=1)[0]: entry for entry in entries}


def resolve(*arguments: str | Path) -> str:
    """Return what uv writes down for some groups and extras of this project."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "compile", "pyproject.toml", *OPTIONS, *PLAIN, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Resolve for developers, and take the part of users from it, so that both have the same versions."""
    everything = resolve("--group", "build", "--group", "dev")
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder, "versions.txt")
        versions.write_text(everything)
        users = resolve("--group", "build", "--constraint", versions)
    others = [entry for name, entry in packages(everything).items() if name not in packages(users)]
    LOCK.write_text(users + DEVELOPMENT + "".join(others))
    return 0


if __name__ == "__main__":
    sys.exit(main())
