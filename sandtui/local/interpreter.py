"""How this program starts Python again: never with code from wherever the user happens to stand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

DIRECTORY: Final = "/"
"""Where such a child has to be started: the user's directory may be removed, or belong to anyone."""

_SOURCE: Final = Path(__file__).resolve().parent.parent.parent


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package."""
    # -P: neither the current directory nor that of a script comes before the standard library.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment in which such a child finds this package, and nothing by where it was started."""
    # An empty or relative entry means another directory for each process; what came before it is not known there.
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(path).is_absolute()]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_SOURCE), *given])}
