"""Runs the tests under every Python of this machine that sandtui supports: ``make test-all``.

    python -m tests.interpreters [--only VERSION ...] [--terminal] [--list]

An interpreter is looked for on the PATH, in pyenv's folder, and in ``PYTHONS`` (paths with ``:`` between them). Each
has an environment of its own in ``.venv-VERSION``. The end names what passed, what failed and what was not found.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SIZE = "rows 36 cols 120"
# Run by the interpreter itself: a name on the PATH may be pyenv's stub for one that is not selected.
ASK = (
    "import sys, venv, ensurepip; "
    "print('%d.%d' % sys.version_info[:2], sys.implementation.name, getattr(sys, '_base_executable', sys.executable))"
)


def candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the programs that may be a Python."""
    yield from (Path(name) for name in environ.get("PYTHONS", "").split(os.pathsep) if name)
    folders = [Path(name) for name in environ.get("PATH", "").split(os.pathsep) if name]
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/nonexistent"), ".pyenv"))
    folders += sorted((pyenv / "versions").glob("*/bin"))
    for folder in folders:
        yield from (folder / f"python{version}" for version in VERSIONS)


def ask(program: Path) -> tuple[str, str] | None:
    """Return the version of a program that is a usable Python, and its own path."""
    if not os.access(program, os.X_OK):
        return None
    try:
        result = subprocess.run([program, "-I", "-c", ASK], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = result.stdout.split(maxsplit=2)
    if result.returncode != 0 or len(words) != 3 or words[1] != "cpython":
        return None
    return words[0], words[2].strip()


def find(environ: Mapping[str, str], wanted: Sequence[str] = VERSIONS) -> dict[str, str]:
    """Return the first interpreter of each version, oldest version first."""
    found: dict[str, str] = {}
    for program in candidates(environ):
        answer = ask(program)
        if answer is not None and answer[0] in wanted:
            found.setdefault(*answer)
    return {version: found[version] for version in wanted if version in found}


def command(version: str, program: str, *, terminal: bool) -> list[str]:
    """Return what runs the tests under one interpreter; in a terminal also without a home, to be strict."""
    make = ["make", "--no-print-directory", "test", f"PYTHON={program}", f"VENV=.venv-{version}"]
    if not terminal:
        return make
    # Below a device not even root can write.
    make.append(f"WITH=env HOME={os.devnull}")
    return ["script", "--quiet", "--return", "--command", f"stty {SIZE}; {shlex.join(make)}", os.devnull]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests; return 1 when one failed or no interpreter was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.interpreters")
    parser.add_argument("--only", nargs="+", choices=VERSIONS, default=VERSIONS, metavar="VERSION")
    parser.add_argument(
        "--terminal", action="store_true", help=f"in a pseudo-terminal ({SIZE}), with a home that can't be written"
    )
    parser.add_argument("--list", action="store_true", help="only print what is found")
    options = parser.parse_args(arguments)
    wanted = [version for version in VERSIONS if version in options.only]
    found = find(os.environ, wanted)
    verdicts = {}
    for version in wanted:
        if version not in found:
            verdicts[version] = "not found"
        elif options.list:
            verdicts[version] = found[version]
        else:
            print(f"\n=== Python {version}: {found[version]}", flush=True)
            code = subprocess.run(command(version, found[version], terminal=options.terminal), cwd=ROOT).returncode
            verdicts[version] = "passed" if code == 0 else f"FAILED (exit code {code})"
    print()
    for version, verdict in verdicts.items():
        print(f"Python {version}  {verdict}")
    return int(not found or any(verdict.startswith("FAILED") for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
