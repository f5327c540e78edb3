"""The debug log: what the program and its client did, in a small file that only the user can read.

It has all messages of loggers below `sandtui`, and the warnings of asyncio. Secrets are redacted when a line is
written, whoever logged it: known values, and text that looks like one (:mod:`sandtui.fleet.commands.line.redaction`).
"""

from __future__ import annotations

import logging
import os
import platform
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue

from sandtui import __version__
from sandtui.directories import describe, make_private
from sandtui.fleet.commands.line.redaction import add_secrets, redact_lines

HEAD = "# sandtui debug log"
SIZE = 2_000_000
"""Bytes after which the file is rotated."""

FILES = 3
"""Rotated files that are kept; ``.1`` is the newest."""

MAX_LINES, MAX_LINE = 200, 2000
"""The most lines of a message and characters of a line."""

LOG = logging.getLogger("sandtui")


class LogError(Exception):
    """The log cannot be written to the requested file."""


@contextmanager
def debug_log(path: Path, argv: Sequence[str] = ()) -> Iterator[None]:
    """Write the log while the block runs, in a thread.

    Raises:
        LogError: the file cannot be written, or is not a log of sandtui.
    """
    add_secrets(os.environ.get("PRIME_API_KEY", ""))
    try:
        check(path)
        make_private(path.parent)
        target = PrivateFileHandler(path)
    except OSError as error:
        raise LogError(f"cannot write the log: {describe(error, path)}; choose another file with --log=FILE") from None
    target.setFormatter(MaskingFormatter())
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    listener = QueueListener(queue, target)
    entry = QueueHandler(queue)
    # Not formatted in this thread: masking takes time that the screen needs.
    entry.prepare = _as_it_is  # type: ignore[method-assign]
    others = logging.getLogger("asyncio")
    before = LOG.level, LOG.propagate
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    LOG.addHandler(entry)
    others.addHandler(entry)
    listener.start()
    where = f"Python {platform.python_version()}, {platform.system()} {platform.release()}"
    terminal = " ".join(f"{name}={os.environ.get(name, '')}" for name in ("TERM", "COLORTERM", "LANG", "NO_COLOR"))
    LOG.info("sandtui %s, %s, process %d: %s; %s", __version__, where, os.getpid(), " ".join(argv), terminal)
    try:
        yield
    finally:
        LOG.info("process %d ends", os.getpid())
        LOG.removeHandler(entry)
        others.removeHandler(entry)
        LOG.setLevel(before[0])
        LOG.propagate = before[1]
        listener.stop()
        target.close()


def check(path: Path) -> None:
    """Refuse a file that is not a log of sandtui, since it would be rotated and finally deleted.

    Raises:
        LogError: the file is not a log.
        OSError: it cannot be read.
    """
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(kind):
        raise LogError(f"{path} is not a regular file: choose another for the log")
    with path.open("rb") as stream:
        first = stream.read(len(HEAD))
    if first not in (b"", HEAD.encode()):
        raise LogError(f"{path} is not a log of sandtui: choose another file")


class PrivateFileHandler(RotatingFileHandler):
    """A bounded set of rotated files that only the user can read, each with a header line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=SIZE, backupCount=FILES, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
        stream = os.fdopen(descriptor, "a", encoding=self.encoding, errors=self.errors)
        if not os.fstat(descriptor).st_size:
            stream.write(f"{HEAD}\n")
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Ignore errors: a message about a full disk must not overwrite the dashboard."""


class MaskingFormatter(logging.Formatter):
    """Writes one line per line of a message: time, level, logger and text without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        try:
            text = record.getMessage()
        except Exception as error:
            text = f"{record.msg} ({type(error).__name__})"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        moment = datetime.fromtimestamp(record.created, UTC)
        head = (
            f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03}Z {record.process} {record.levelname:<7} {record.name}:"
        )
        # Truncate after redaction: half a secret would not be recognized.
        lines = redact_lines(text.replace("\r", "\n"))
        return "\n".join(f"{head} {line[:MAX_LINE]}" for line in lines[:MAX_LINES])


def _as_it_is(record: logging.LogRecord) -> logging.LogRecord:
    return record


def loggable_arguments(argv: Sequence[str] | None) -> list[str]:
    """Return the part of a command line that may be logged: options of the program and the subcommand's name."""
    logged: list[str] = []
    for argument in sys.argv[1:] if argv is None else argv:
        logged.append(argument.partition("=")[0])
        if not argument.startswith("-"):
            break
    return logged
