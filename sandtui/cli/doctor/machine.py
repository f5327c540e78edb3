"""Python, and who can read and write our files."""

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

OLDEST = (3, 11)


def python() -> Finding:
    """Look at Python and the libraries that the screens are drawn with."""
    try:
        textual = version("textual")
    except PackageNotFoundError:
        return Finding(
            "python", "bad", "textual is not installed", "Install sandtui again, in an environment of its own."
        )
    words = f"{'.'.join(map(str, sys.version_info[:3]))}, sandtui {__version__}, textual {textual}"
    if sys.version_info[:2] < OLDEST:
        return Finding("python", "bad", words, f"Python {'.'.join(map(str, OLDEST))} or later is needed.")
    return Finding("python", "good", words)


def files(paths: Paths, home: Path | None = None) -> Iterator[Finding]:
    """Look whether our folders can be written, and whether others can read what holds keys."""
    for name, folder in (("config", paths.config), ("state", paths.state)):
        # The nearest folder that is there decides whether the others can be made.
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
            yield Finding(name, "good", f"{folder} can be written")
        else:
            mend = f"Give yourself the right to write {nearest}, or set XDG_{name.upper()}_HOME to another folder."
            yield Finding(name, "bad", f"{folder} can't be written", mend)
    for path in (paths.settings, prime_folder(home) / "config.json"):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            yield Finding("secrets", "so-so", f"{path} can be read by others", f"chmod 600 {path}")
