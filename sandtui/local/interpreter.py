"""How this program starts Python again: never with code from wherever the user happens to stand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

DIRECTORY: Final = "/"
"""Where such a child has to be started: a relative entry of PYTHONPATH then leads nowhere."""

_SOURCE: Final = Path(__file__).resolve().parent.parent.parent


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package."""
    # -P: neither the current directory nor that of a script comes before the standard library.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment in which such a child finds this package."""
    path = (str(_SOURCE), os.environ.get("PYTHONPATH", ""))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
