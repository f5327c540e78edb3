"""A SQLite file that only the user can read; one thread does all the work, in order."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from sandtui.directories import make_private

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]

_BUSY_SECONDS = 10.0

_RETRY_SECONDS = 0.01

CHECK_SECONDS = 2.0
"""The most seconds to wait for other processes at the start."""


class Database:
    """A database file, created when it is first needed.

    ``steps`` are the versions of its tables, oldest first, each a script that upgrades the previous version. The
    number of completed steps is stored in the file, so steps may only be appended.

    With ``durable``, a completed :meth:`run` survives a power failure, not only the end of the program; each waits a
    few milliseconds for the disk.
    """

    def __init__(self, path: Path, *steps: str, durable: bool = False) -> None:
        self.path = path
        self._steps = steps
        self._durable = durable
        self._last: list[Work[object]] = []
        self._used = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sandtui-{path.stem}")
        self._connection: sqlite3.Connection | None = None

    @property
    def exists(self) -> bool:
        """Whether the file exists, or work for it is queued."""
        return self._used or self.path.exists()

    def run(self, work: Work[T]) -> T:
        """Do some work in a transaction and wait for its result.

        Blocks; do not call it in the event loop (use ``asyncio.to_thread``).

        Raises:
            OSError: the file cannot be used; nothing was stored.
        """
        self._used = True
        return self._thread.submit(self._do, work).result()

    def later(self, work: Work[object]) -> None:
        """Queue some work, to be done after all that was queued before; errors are ignored.

        Work that is queued after the file was closed is discarded.
        """
        self._used = True
        with contextlib.suppress(RuntimeError):
            self._thread.submit(self._do, work)

    def at_close(self, work: Work[object]) -> None:
        """Do some work before the file is closed, if it was opened at all."""
        self._last.append(work)

    def close(self) -> None:
        """Do the queued work, then close the file. Closing it twice is allowed."""
        with contextlib.suppress(RuntimeError):
            self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    def _do(self, work: Work[T]) -> T:
        try:
            connection = self._open()
            with connection:
                return work(connection)
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._create()
            connection = sqlite3.connect(self.path, check_same_thread=False, timeout=_BUSY_SECONDS)
            try:
                self._bring_up_to_date(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        if self._durable:
            connection.execute("PRAGMA fullfsync = ON")  # on macOS, fsync alone leaves data in the disk's cache
        if self._steps_done(connection) >= len(self._steps):
            return
        with connection:
            # Another process may upgrade it at the same time: check again under the lock.
            connection.execute("BEGIN IMMEDIATE")
            for step in self._steps[self._steps_done(connection) :]:
                for statement in _statements(step):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {max(len(self._steps), self._steps_done(connection))}")

    @staticmethod
    def _steps_done(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _create(self) -> None:
        folder = self.path.parent
        fresh = [each for each in (folder, *folder.parents) if not each.exists()]
        make_private(folder)
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        if self._durable:
            # A new file survives a power failure only if its directory is written too.
            for each in (folder, *(new.parent for new in fresh)):
                sync_folder(each)

    def _close(self) -> None:
        if self._connection is not None:
            for work in self._last:
                with contextlib.suppress(OSError):
                    self._do(work)
            self._connection.close()
            self._connection = None

    def check(self) -> None:
        """Check whether the file, if it exists, can be used; wait only briefly for other processes.

        Raises:
            OSError: it cannot be used; the message says what to do.
        """
        if not self.path.exists():
            return
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=CHECK_SECONDS, isolation_level=None)) as found:
                if found.execute("PRAGMA user_version").fetchone()[0] > len(self._steps):
                    raise OSError(
                        f"{self.path} was written by a newer sandtui. Run that one, or set XDG_STATE_HOME to another "
                        "directory."
                    )
                found.execute("BEGIN IMMEDIATE")
                found.execute("SELECT count(*) FROM sqlite_master")
                found.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error


def sync_folder(folder: Path) -> None:
    """Wait until the entries of a directory are on the disk, if the file system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite does not wait for another process that does the same."""
    end = monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            sleep(_RETRY_SECONDS)
        else:
            return


def _statements(script: str) -> Iterator[str]:
    text = ""
    for part in script.split(";"):
        text += f"{part};"
        if sqlite3.complete_statement(text):
            if text.strip(" \n;"):
                yield text
            text = ""


def _unusable(path: Path, error: sqlite3.Error) -> OSError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return OSError(f"{path} is locked by another process. Stop that process, or try again later.")
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return OSError(f"{path} cannot be used: it is damaged or not a database. Move it away.")
    if path.is_dir():
        return OSError(f"{path} cannot be used: it is a directory. Move it away.")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return OSError(
            f"{path} cannot be written. Make it writable (chmod u+rw), or set XDG_STATE_HOME to another directory."
        )
    return OSError(f"{path} cannot be used: {error}.")
