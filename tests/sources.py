"""Source text as syntax trees."""

from __future__ import annotations

import ast
import gc
from pathlib import Path


def parse(text: str) -> ast.Module:
    """Return the tree of a module.

    Without a collection in between: Python 3.11 counts the calls of finalizers into the depth of the tree, and ends
    with a SystemError ("AST constructor recursion depth mismatch").
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_enabled:
            gc.enable()


def parsed(path: Path) -> ast.Module:
    """Return the tree of a file."""
    return parse(path.read_text(encoding="utf-8"))
