"""Which process on which machine owns an entry of a database, and whether that process still runs.

Several programs of one user share the databases: two dashboards, or a dashboard and ``sandtui create``. The unfinished
work of one must not be offered by another, and after a crash only one of them may resume it.

A process on this machine is identified by its pid and its start time, since pids are reused. That works only for
processes that this one can see, so the boot and the pid namespace are stored too. For all others, on another machine
with the same home or in another container, there is a file that the owner keeps locked: the system releases the lock
when the process ends, however it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import socket
import sqlite3
import threading
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from sandtui.config.database import Database
from sandtui.directories import make_private
from sandtui.locks import is_held
from sandtui.processes import boot, process_start

SCHEMA = "CREATE TABLE IF NOT EXISTS owners (entry TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;"
"""A separate table, so that earlier versions can read and write the other tables as before."""

_PREFIX, _SUFFIX = "owner-", ".lock"


class Standing(Enum):
    """What is known about the process that owns an entry."""

    MINE = "mine"
    RUNNING = "running"
    """It runs on this machine."""
    ELSEWHERE = "elsewhere"
    """It runs where this process cannot see it, or may do so."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class OwnerProcess:
    """A process. ``boot`` identifies the boot and the pid namespace; ``started`` is only compared."""

    token: str
    host: str
    boot: str
    pid: int
    started: str

    @property
    def label(self) -> str:
        """The name of the process for users."""
        return f"process {self.pid} on {self.host}"

    def dump(self) -> str:
        """Return the stored form."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> OwnerProcess | None:
        """Return a process from its stored form, or None if it is not valid."""
        try:
            found = json.loads(text)
            return cls(
                str(found["token"]), str(found["host"]), str(found["boot"]), int(found["pid"]), str(found["started"])
            )
        except (ValueError, KeyError, TypeError):
            return None


class Owners:
    """The processes that share a directory, which contains the files that they keep locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._me: OwnerProcess | None = None
        self._descriptor: int | None = None

    @property
    def me(self) -> OwnerProcess:
        """This process.

        Raises:
            OSError: its lock file cannot be created.
        """
        with self._lock:
            if self._me is None or self._me.pid != os.getpid():
                me = OwnerProcess(
                    secrets.token_hex(8), socket.gethostname(), boot(), os.getpid(), process_start(os.getpid()) or ""
                )
                self._hold(me)
                self._me = me
            return self._me

    @property
    def is_known(self) -> bool:
        """Whether this process has owned anything."""
        return self._me is not None

    def standing(self, owner: OwnerProcess | None) -> Standing:
        """Return whether a process still runs."""
        me = self.me
        if owner is None:
            return Standing.GONE
        if owner.token == me.token:
            return Standing.MINE
        if owner.boot and owner.boot == me.boot and owner.started:
            return Standing.RUNNING if process_start(owner.pid) == owner.started else Standing.GONE
        return Standing.ELSEWHERE if self._is_held(owner.token) else Standing.GONE

    def end(self) -> None:
        """Release the lock: this process owns nothing any more."""
        with self._lock:
            if self._descriptor is not None and self._me is not None and self._me.pid == os.getpid():
                with contextlib.suppress(OSError):
                    self._file(self._me.token).unlink()
                os.close(self._descriptor)
            self._descriptor = self._me = None

    def _file(self, token: str) -> Path:
        return self._folder / f"{_PREFIX}{token}{_SUFFIX}"

    def _hold(self, me: OwnerProcess) -> None:
        make_private(self._folder)
        self._sweep()
        # Under a temporary name until it is locked: nobody may find it without its lock.
        fresh = self._folder / f".{_PREFIX}{me.token}"
        self._descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # without locks, the file alone says that the process may run
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(self._file(me.token))
        atexit.register(self.end)

    def _is_held(self, token: str) -> bool:
        """Whether the process with a token runs, or may do so."""
        if not token.isalnum():
            return False  # it is part of a file's name
        try:
            return is_held(self._file(token))
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def _sweep(self) -> None:
        """Remove the files of processes that have ended."""
        for path in self._folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if not self._is_held(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)):
                with contextlib.suppress(OSError):
                    path.unlink()


class Claims:
    """The owners of entries of a database. Methods with a connection are part of its transaction."""

    def __init__(self, database: Database, owners: Owners) -> None:
        self._owners = owners
        database.at_close(self.release_all)

    def own(self, connection: sqlite3.Connection, entry: str) -> None:
        """Make this process the owner of an entry."""
        connection.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (entry, self._owners.me.dump()))

    def take(self, connection: sqlite3.Connection, entry: str) -> bool:
        """Claim an entry unless another running process owns it; the first of several gets it."""
        connection.execute("DELETE FROM owners WHERE 0")  # takes the lock before anything is read
        if self.standing(connection, entry)[0] in {Standing.RUNNING, Standing.ELSEWHERE}:
            return False
        self.own(connection, entry)
        return True

    def standing(self, connection: sqlite3.Connection, entry: str) -> tuple[Standing, OwnerProcess | None]:
        """Return the owner of an entry and its state; an entry without an owner counts as abandoned."""
        row = connection.execute("SELECT owner FROM owners WHERE entry = ?", (entry,)).fetchone()
        owner = OwnerProcess.load(row[0]) if row is not None else None
        return self._owners.standing(owner), owner

    def release(self, connection: sqlite3.Connection, entry: str) -> None:
        """Release an entry."""
        connection.execute("DELETE FROM owners WHERE entry = ?", (entry,))

    def release_all(self, connection: sqlite3.Connection) -> None:
        """Release all entries of this process."""
        if not self._owners.is_known:
            return
        me = self._owners.me.dump()
        if connection.execute("SELECT 1 FROM owners WHERE owner = ?", (me,)).fetchone() is not None:
            connection.execute("DELETE FROM owners WHERE owner = ?", (me,))


_known: dict[Path, Owners] = {}


def owners_beside(path: Path) -> Owners:
    """Return the owners of a database; they are shared by all databases in a directory."""
    folder = path.parent.absolute()
    return _known.setdefault(folder, Owners(folder))
