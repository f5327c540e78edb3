"""One SQLite file of ours: work is done in its order by one thread, and only this user can read the file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]

_BUSY_SECONDS = 10.0


class Database:
    """A database file, made when it is first needed.

    ``steps`` are the versions of its tables, oldest first, each a script that brings the one before it up to
    date; how many were done is kept in the file, so steps are only ever added.
    """

    def __init__(self, path: Path, *steps: str) -> None:
        self.path = path
        self._steps = steps
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sandtui-{path.stem}")
        self._connection: sqlite3.Connection | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self.path.exists()

    def run(self, work: Work[T]) -> T:
        """Do some work in one transaction and wait for it; not from the event loop (``asyncio.to_thread``).

        Raises:
            OSError: the file can't be used; nothing of the work was kept.
        """
        return self._thread.submit(self._do, work).result()

    def later(self, work: Work[object]) -> None:
        """Do some work soon, after all that was asked for before; what becomes of it is not told."""
        self._thread.submit(self._do, work)

    def close(self) -> None:
        """Do what is still to be done, then close the file; closing twice is no mistake."""
        with contextlib.suppress(RuntimeError):
            self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    def _do(self, work: Work[T]) -> T:
        try:
            connection = self._open()
            with connection:
                return work(connection)
        except sqlite3.Error as error:
            raise OSError(f"{self.path} can't be used: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600, exist_ok=True)
            connection = sqlite3.connect(self.path, check_same_thread=False, timeout=_BUSY_SECONDS)
            try:
                self._bring_up_to_date(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        done = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, step in enumerate(self._steps[done:], done + 1):
            # Another process may do the same step at the same time: steps say IF NOT EXISTS.
            connection.executescript(f"BEGIN IMMEDIATE;\n{step};\nPRAGMA user_version = {number};\nCOMMIT")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
