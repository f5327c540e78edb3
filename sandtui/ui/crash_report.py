"""What is left of a crash: a file that can be sent to somebody, without secrets, and two lines on the terminal."""

from __future__ import annotations

import contextlib
import logging
import platform
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandtui import __version__
from sandtui.config.paths import write_private
from sandtui.fleet.activity.requests import Request
from sandtui.fleet.commands.line.masking import masked_lines
from sandtui.fleet.text.sanitize import clean

LOG = logging.getLogger("sandtui.ui")

KEPT = 10
"""Reports that are kept; the oldest go first."""

LAST_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known when something broke: where it was, what was said, the last requests, what must not be told."""

    where: Sequence[str]
    said: Sequence[str] = ()
    secrets: Sequence[str] = ()
    requests: Sequence[Request] = ()


def tell(folder: Path, error: BaseException, known: Circumstances) -> str:
    """Write the report of a crash and return what is said on the terminal; without a file, the report itself."""
    path, text = keep_report(folder, error, known)
    kept = f"A report without secrets is in {clean(str(path))}" if path is not None else text
    return f"sandtui broke: {type(error).__name__}. Sandboxes go on.\n{kept}"


def keep_report(folder: Path, error: BaseException, known: Circumstances) -> tuple[Path | None, str]:
    """Write the report of an error to a file of its own; return its path, None without one, and the report."""
    requests = [
        f"{request.method} {request.path} {request.status or 'no reply'} {request.milliseconds} ms {request.problem}"
        for request in known.requests
    ]
    text = report(error, known.where, known.said, known.secrets, requests)
    LOG.error("%s", text)
    return write_report(folder, text), text


def report(
    error: BaseException,
    where: Sequence[str],
    said: Sequence[str],
    secrets: Sequence[str],
    requests: Sequence[str] = (),
) -> str:
    """Return the text of a report: versions, where it was, the traceback without variables, what went before.

    ``secrets`` are taken out wherever they stand, and so is whatever looks like one.
    """
    trace = "".join(traceback.format_exception(error))
    parts = [
        f"sandtui {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}",
        *map(clean, where),
        "",
        *masked_lines(trace, secrets),
        "",
        "Said before:",
        *(line for text in said[-LAST_MESSAGES:] for line in masked_lines(text, secrets)),
        "",
        "The last requests:",
        *(line for text in requests for line in masked_lines(text, secrets)),
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
