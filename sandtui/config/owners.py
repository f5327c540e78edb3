"""Who carries something out: which process of which machine, and whether that process still runs.

Several programs of one user share the databases: two dashboards, a dashboard and ``sandtui create``. What one of them
is carrying out must not be offered by another as unfinished, and after a crash only one of them may take it up.

A process on this machine is known by its number and the time of its start: numbers are used again. That holds only
for processes that this one can see, so the boot and the namespace of processes are noted too. For all others, on
another machine with the same home or in another container, there is a file that the owner keeps locked: the system
gives the lock back when the process ends, however it ends.

psutil would tell the start of a process too. It is a compiled dependency for two numbers that the system prints.
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
import subprocess
import threading
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from sandtui.config.database import Database
from sandtui.directories import make_private

SCHEMA = "CREATE TABLE IF NOT EXISTS owners (entry TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;"
"""A table of its own: earlier versions read and write the other tables as before."""

_ASK_SECONDS = 5
_PREFIX, _SUFFIX = "owner-", ".lock"


class Standing(Enum):
    """What is known of the process that carries something out."""

    MINE = "mine"
    RUNNING = "running"
    """It runs on this machine."""
    ELSEWHERE = "elsewhere"
    """It runs where this process can't see it, or that can't be told."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class OwnerProcess:
    """A process. ``boot`` names the boot of its machine and what processes it sees; ``started`` is only compared."""

    token: str
    host: str
    boot: str
    pid: int
    started: str

    @property
    def label(self) -> str:
        """How it is told to people."""
        return f"process {self.pid} on {self.host}"

    def dump(self) -> str:
        """Return it as it is stored."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> OwnerProcess | None:
        """Return what was stored; None when it can't be read."""
        try:
            found = json.loads(text)
            return cls(
                str(found["token"]), str(found["host"]), str(found["boot"]), int(found["pid"]), str(found["started"])
            )
        except (ValueError, KeyError, TypeError):
            return None


class Owners:
    """The owners that share a directory, which holds the files that they keep locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._me: OwnerProcess | None = None
        self._descriptor: int | None = None

    @property
    def me(self) -> OwnerProcess:
        """This process.

        Raises:
            OSError: its file can't be made.
        """
        with self._lock:
            if self._me is None or self._me.pid != os.getpid():
                me = OwnerProcess(
                    secrets.token_hex(8), socket.gethostname(), _boot(), os.getpid(), process_start(os.getpid()) or ""
                )
                self._hold(me)
                self._me = me
            return self._me

    @property
    def is_known(self) -> bool:
        """Whether this process has carried anything out."""
        return self._me is not None

    def standing(self, owner: OwnerProcess | None) -> Standing:
        """Return whether an owner still runs."""
        me = self.me
        if owner is None:
            return Standing.GONE
        if owner.token == me.token:
            return Standing.MINE
        if owner.boot and owner.boot == me.boot and owner.started:
            return Standing.RUNNING if process_start(owner.pid) == owner.started else Standing.GONE
        return Standing.ELSEWHERE if self._is_held(owner.token) else Standing.GONE

    def end(self) -> None:
        """Note that this process carries nothing out any more."""
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
        # Under another name until it is locked: nobody may find it without its lock.
        fresh = self._folder / f".{_PREFIX}{me.token}"
        self._descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # where there are no locks the file alone says that it may run
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(self._file(me.token))
        atexit.register(self.end)

    def _is_held(self, token: str) -> bool:
        """Whether the process of a token runs, or can't be asked."""
        if not token.isalnum():
            return False  # it is part of a file's name
        try:
            descriptor = os.open(self._file(token), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _sweep(self) -> None:
        """Remove the files of processes that are gone."""
        for path in self._folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if not self._is_held(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)):
                with contextlib.suppress(OSError):
                    path.unlink()


class Claims:
    """Who carries out which entry of a database. Methods with a connection are part of its transaction."""

    def __init__(self, database: Database, owners: Owners) -> None:
        self._owners = owners
        database.at_close(self.release_all)

    def own(self, connection: sqlite3.Connection, entry: str) -> None:
        """Note that this process carries an entry out, whoever did before."""
        connection.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (entry, self._owners.me.dump()))

    def take(self, connection: sqlite3.Connection, entry: str) -> bool:
        """Take an entry over, unless another process that runs has it; the first of several gets it."""
        connection.execute("DELETE FROM owners WHERE 0")  # takes the lock before anything is read
        if self.standing(connection, entry)[0] in {Standing.RUNNING, Standing.ELSEWHERE}:
            return False
        self.own(connection, entry)
        return True

    def standing(self, connection: sqlite3.Connection, entry: str) -> tuple[Standing, OwnerProcess | None]:
        """Return what is known of an entry's owner; one that nobody has counts as gone."""
        row = connection.execute("SELECT owner FROM owners WHERE entry = ?", (entry,)).fetchone()
        owner = OwnerProcess.load(row[0]) if row is not None else None
        return self._owners.standing(owner), owner

    def release(self, connection: sqlite3.Connection, entry: str) -> None:
        """Give an entry back, for whoever asks next."""
        connection.execute("DELETE FROM owners WHERE entry = ?", (entry,))

    def release_all(self, connection: sqlite3.Connection) -> None:
        """Give back all that this process has."""
        if not self._owners.is_known:
            return
        me = self._owners.me.dump()
        if connection.execute("SELECT 1 FROM owners WHERE owner = ?", (me,)).fetchone() is not None:
            connection.execute("DELETE FROM owners WHERE owner = ?", (me,))


_known: dict[Path, Owners] = {}


def owners_beside(path: Path) -> Owners:
    """Return the owners of a database: this process is the same one for all databases of a directory."""
    folder = path.parent.absolute()
    return _known.setdefault(folder, Owners(folder))


def _boot() -> str:
    """Return a name for this boot and the processes that can be seen; empty when the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return _ask("sysctl", "-n", "kern.bootsessionuuid")


def process_start(pid: int) -> str | None:
    """Return when a process began, in words of the system's own; None when there is none, or it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None if Path("/proc/self/stat").exists() else process_start_by_ps(pid)
    # The program's name stands in parentheses and may hold anything (proc_pid_stat(5)): state 3, start time 22.
    fields = text.rpartition(b")")[2].split()
    return None if fields[0] in {b"Z", b"X"} else fields[19].decode("ascii")


def process_start_by_ps(pid: int) -> str | None:
    """Return the same where there is no ``/proc``, to the second."""
    state, _, began = _ask("ps", "-o", "stat=,lstart=", "-p", str(pid)).partition(" ")
    return began.strip() or None if state[:1] != "Z" else None


def _ask(*command: str) -> str:
    """Return what a program of the system prints; nothing when that can't be had."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system, by our own words
            command, capture_output=True, text=True, env=environment, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
