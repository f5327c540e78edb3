"""Starts Python subprocesses of this program, without importing code from the user's current directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

DIRECTORY: Final = "/"
"""The working directory of such a process: the user's may be removed, or belong to anyone."""

_SOURCE: Final = Path(__file__).resolve().parent.parent.parent


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package."""
    # -P: neither the current directory nor that of a script comes before the standard library.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment in which such a process finds this package, wherever it is started."""
    # An empty or relative entry would mean another directory in each process.
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(path).is_absolute()]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_SOURCE), *given])}
