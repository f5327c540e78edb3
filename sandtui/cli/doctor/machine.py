"""Checks Python and the permissions of files and directories."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sandtui import __version__
from sandtui.cli.doctor.finding import Finding
from sandtui.client.toolkit import prime_folder
from sandtui.config.paths import Paths

MIN_PYTHON = (3, 11)


def python() -> Finding:
    """Check the versions of Python and Textual."""
    try:
        textual = version("textual")
    except PackageNotFoundError:
        return Finding("python", "error", "textual is not installed", "Reinstall sandtui in an environment of its own.")
    words = f"{'.'.join(map(str, sys.version_info[:3]))}, sandtui {__version__}, textual {textual}"
    if sys.version_info[:2] < MIN_PYTHON:
        return Finding("python", "error", words, f"Python {'.'.join(map(str, MIN_PYTHON))} or later is required.")
    return Finding("python", "ok", words)


def files(paths: Paths, home: Path | None = None) -> Iterator[Finding]:
    """Check that directories are writable, and that others cannot read files with keys."""
    for name, folder in (("config", paths.config), ("state", paths.state)):
        # The nearest existing directory decides whether the others can be created.
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
            yield Finding(name, "ok", f"{folder} is writable")
        else:
            fix = f"Make {nearest} writable, or set XDG_{name.upper()}_HOME to another directory."
            yield Finding(name, "error", f"{folder} is not writable", fix)
    for path in (paths.settings, prime_folder(home) / "config.json"):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            yield Finding("secrets", "warning", f"{path} is readable by others", f"chmod 600 {path}")
