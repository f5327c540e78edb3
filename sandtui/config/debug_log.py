"""The debug log: what the program and its client did, in a file that only this user can read and that stays small.

Everything of sandtui that uses `logging` under the name `sandtui` is in it, and asyncio's warnings. Lines are masked
where they are written, whoever logged them: values that were named as secrets, and what looks like one
(:mod:`sandtui.fleet.commands.line.masking`).
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
from sandtui.fleet.commands.line.masking import masked_lines, name_secrets

HEAD = "# sandtui debug log"
SIZE = 2_000_000
"""Bytes after which a file is put aside."""

FILES = 3
"""Files that were put aside and are kept: ``.1`` is the newest."""

LINES, LONGEST = 200, 2000
"""Lines of one message and characters of a line that are written."""

LOG = logging.getLogger("sandtui")


class LogError(Exception):
    """The log can't be written where it was asked for."""


@contextmanager
def debug_log(path: Path, argv: Sequence[str] = ()) -> Iterator[None]:
    """Write the log while the block runs; writing happens in a thread.

    Raises:
        LogError: the file can't be written, or is not a log of ours.
    """
    name_secrets(os.environ.get("PRIME_API_KEY", ""))
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
    # Not formatted on this side: masking takes time that the screen needs.
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
    """Refuse a file that is not a log of ours: it would be put aside, and one day be gone.

    Raises:
        LogError: it is not.
        OSError: it can't be looked at.
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
    """A bounded set of files that only this user can read, each with our first line."""

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
        """Say nothing: a full disk must not write over the dashboard."""


class MaskingFormatter(logging.Formatter):
    """One line for each line of a message: time, level, who, and words without secrets."""

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
        # Cut after it is masked: half a secret would not be found.
        lines = masked_lines(text.replace("\r", "\n"))
        return "\n".join(f"{head} {line[:LONGEST]}" for line in lines[:LINES])


def _as_it_is(record: logging.LogRecord) -> logging.LogRecord:
    return record


def words_of(argv: Sequence[str] | None) -> list[str]:
    """Return what the log may say of a command line: options of the program and the subcommand, not what follows."""
    words: list[str] = []
    for word in sys.argv[1:] if argv is None else argv:
        words.append(word.partition("=")[0])
        if not word.startswith("-"):
            break
    return words
