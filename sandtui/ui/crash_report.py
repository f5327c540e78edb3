"""Crash reports: a file without secrets that can be shared, and two lines on the terminal."""

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
from sandtui.fleet.commands.line.redaction import redact_lines
from sandtui.fleet.text.sanitize import clean

LOG = logging.getLogger("sandtui.ui")

MOST_REPORTS = 10
"""Older reports are deleted."""

LAST_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class CrashDetails:
    """What a report contains besides the error, and the secrets to redact."""

    where: Sequence[str]
    messages: Sequence[str] = ()
    secrets: Sequence[str] = ()
    requests: Sequence[Request] = ()


def report_crash(folder: Path, error: BaseException, details: CrashDetails) -> str:
    """Save the report of a crash; return a message for the terminal, or the report itself if it could not be saved."""
    path, text = save_report(folder, error, details)
    saved = f"Crash report, without secrets: {clean(str(path))}" if path is not None else text
    return f"sandtui crashed: {type(error).__name__}. Your sandboxes are still running.\n{saved}"


def save_report(folder: Path, error: BaseException, details: CrashDetails) -> tuple[Path | None, str]:
    """Save the report of an error to a new file; return its path, or None if that failed, and the report."""
    requests = [
        f"{request.method} {request.path} {request.status or 'no response'} {request.milliseconds} ms {request.problem}"
        for request in details.requests
    ]
    text = report(error, details.where, details.messages, details.secrets, requests)
    LOG.error("%s", text)
    return write_report(folder, text), text


def report(
    error: BaseException,
    where: Sequence[str],
    messages: Sequence[str],
    secrets: Sequence[str],
    requests: Sequence[str] = (),
) -> str:
    """Return a report: versions, location, traceback without variables, last messages and requests.

    ``secrets`` are redacted everywhere, and so is whatever looks like one.
    """
    trace = "".join(traceback.format_exception(error))
    parts = [
        f"sandtui {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}",
        *map(clean, where),
        "",
        *redact_lines(trace, secrets),
        "",
        "Last messages:",
        *(line for text in messages[-LAST_MESSAGES:] for line in redact_lines(text, secrets)),
        "",
        "Last requests:",
        *(line for text in requests for line in redact_lines(text, secrets)),
    ]
    return "\n".join(parts) + "\n"


def write_report(folder: Path, text: str) -> Path | None:
    """Write a report that only this user can read; return None if that failed."""
    path = folder / f"crash-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.txt"
    try:
        write_private(path, text)
        for old in sorted(folder.glob("crash-*.txt"))[:-MOST_REPORTS]:
            with contextlib.suppress(OSError):
                old.unlink()
    except OSError:
        return None
    return path
