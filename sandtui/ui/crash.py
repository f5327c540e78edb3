"""What is left of a crash: a file that can be sent to somebody, without secrets, and two lines on the terminal."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui import __version__
from sandtui.config.paths import write_private
from sandtui.fleet.commandline.masking import HIDDEN, masked
from sandtui.fleet.sanitize import clean, clean_lines

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp

KEPT = 10
"""Reports that are kept; the oldest go first."""

LAST_MESSAGES = 50

_INPUT = re.compile(r"input_value=.*?(?=, input_type=|\]|$)", re.DOTALL)
"""Where a validation error repeats what it was given."""


def tell(app: SandtuiApp, error: BaseException) -> str:
    """Write the report of a crash and return what is said on the terminal; without a file, the report itself."""
    connection = app.bridge.connection if app.is_open else None
    secrets = [connection.config.api_key] if connection is not None else []
    screens = " > ".join(type(screen).__name__ for screen in app.screen_stack)
    where = [f"{app.size.width}x{app.size.height}, TERM={os.environ.get('TERM', '')}", f"screens: {screens}"]
    text = report(error, where, [said.text for said in app.messages], secrets)
    path = write_report(app.paths.crashes, text)
    kept = f"A report without secrets is in {clean(str(path))}" if path is not None else text
    return f"sandtui broke: {type(error).__name__}. Sandboxes go on.\n{kept}"


def report(error: BaseException, where: Sequence[str], said: Sequence[str], secrets: Sequence[str]) -> str:
    """Return the text of a report: versions, where it was, the traceback without variables, what was said last.

    ``secrets`` are taken out wherever they stand, and so is whatever looks like one.
    """
    trace = "".join(traceback.format_exception(error))
    parts = [
        f"sandtui {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}",
        *map(clean, where),
        "",
        *_hidden(trace, secrets),
        "",
        "Said before:",
        *(line for text in said[-LAST_MESSAGES:] for line in _hidden(text, secrets)),
    ]
    return "\n".join(parts) + "\n"


def write_report(folder: Path, text: str) -> Path | None:
    """Keep a report where only this user can read it; None when that can't be."""
    path = folder / f"crash-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.txt"
    try:
        write_private(path, text)
        for old in sorted(folder.glob("crash-*.txt"))[:-KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()
    except OSError:
        return None
    return path


def _hidden(text: str, secrets: Sequence[str]) -> list[str]:
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _INPUT.sub(f"input_value={HIDDEN}", text)
    # The rule about a blank at the beginning is for commands: here every line is kept.
    return [_masked_line(line) for line in clean_lines(text)]


def _masked_line(line: str) -> str:
    bare = line.lstrip(" ")
    return line[: len(line) - len(bare)] + (masked(bare) or "")
