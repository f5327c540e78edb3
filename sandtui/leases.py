"""Leases: which process of whom a sandbox was created for, and whether that process is gone.

A lease is a label, so that it works on every platform. It holds the user, the host, the process and its start. Who
looks from the same host asks the system whether the process lives. From elsewhere, for example another machine with the
same home, a small file tells: its owner keeps it locked, and touches it every few seconds. Where neither is to be had,
nothing is known, and nothing is assumed.

No decision rests on comparing clocks alone. The age of a file is measured with the clock of its file system, and a file
is silent only when it also stands still while this process watches.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from sandtui.directories import make_private, user_directory
from sandtui.locks import is_held
from sandtui.processes import boot, process_start

PREFIX = "lease="

VARIABLE = "SANDTUI_LEASE"
"""The environment variable with the labels of a lease, for the programs that run under it; a JSON list."""

GRACE_SECONDS = 600
"""Default seconds of silence after which a host that can't be asked counts as gone."""

HEARTBEAT_SECONDS = 10.0

KEPT_SECONDS = 30 * 86400
"""How long the file of a lease is kept after its owner is gone: as long as its sandboxes may be found."""

_MARK = re.compile(r"lease=([0-9a-f]{16}):([\w.-]{1,32})@([\w.-]{1,64}):(\d{1,10}):(\w{1,20}):(\w{0,16}):(\d{1,7})")


@dataclass(frozen=True, slots=True)
class LeaseMark:
    """The label of a lease. ``boot`` stands for the boot and the pid namespace; ``grace`` is in seconds."""

    token: str
    user: str
    host: str
    pid: int
    start: str
    boot: str
    grace: int

    @property
    def label(self) -> str:
        """The label."""
        return f"{PREFIX}{self.token}:{self.user}@{self.host}:{self.pid}:{self.start}:{self.boot}:{self.grace}"

    @property
    def owner(self) -> str:
        """Its owner, for people."""
        return f"{self.user}@{self.host}:{self.pid}"

    @property
    def heartbeat(self) -> float:
        """The seconds between two signs of life."""
        return min(HEARTBEAT_SECONDS, self.grace / 3)


@lru_cache(maxsize=10_000)
def read_mark(label: str) -> LeaseMark | None:
    """Return the lease that a label stands for, or None."""
    found = _MARK.fullmatch(label)
    if found is None:
        return None
    token, user, host, pid, start, booted, grace = found.groups()
    return LeaseMark(token, user, host, int(pid), start, booted, int(grace))


def mark_of(labels: Iterable[str]) -> LeaseMark | None:
    """Return the lease of a sandbox with these labels, or None."""
    for label in labels:
        if label.startswith(PREFIX) and (mark := read_mark(label)) is not None:
            return mark
    return None


def without_lease(labels: Iterable[str]) -> list[str]:
    """Return labels without that of a lease, which is never copied from one sandbox to another."""
    return [label for label in labels if not (label.startswith(PREFIX) and read_mark(label))]


def this_user() -> str:
    """Return the name of the user as it is in labels."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return _plain(name, 32)


def new_mark(grace: int, token: str = "") -> LeaseMark:
    """Return the mark of a lease of this process, by default of a new one."""
    pid = os.getpid()
    host = _plain(socket.gethostname(), 64)
    return LeaseMark(
        token or secrets.token_hex(8), this_user(), host, pid, _short(process_start(pid) or ""), this_boot(), grace
    )


def this_boot() -> str:
    """Return a short text for this boot and pid namespace; empty if the system does not tell."""
    found = boot()
    return sha256(found.encode()).hexdigest()[:12] if found else ""


def _short(start: str) -> str:
    return start if start.isdigit() and len(start) <= 20 else sha256(start.encode()).hexdigest()[:12]


def _plain(text: str, most: int) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:most] or "-"


class LeaseFiles:
    """The files of leases in a directory: locked and touched while the owner lives, renamed when it has ended well."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_directory("state") / "leases"

    def take(self, mark: LeaseMark, label: str) -> int:
        """Make and lock the file of a lease; return its descriptor, to be kept open.

        Raises:
            OSError: the file can't be made; the label alone still tells whose the sandboxes are.
        """
        make_private(self.folder)
        self._sweep()
        # Under a temporary name until it is locked: nobody may find it without its lock.
        fresh = self.folder / f".{mark.token}"
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):  # without locks, the signs of life have to do
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(OSError):  # on a full disk it stays empty, and serves as well
                os.write(descriptor, json.dumps({"label": label, "owner": mark.owner}).encode())
            fresh.rename(self._living(mark.token))
        except OSError:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise
        return descriptor

    @staticmethod
    def touch(descriptor: int) -> None:
        """Give a sign of life; it needs no room on the disk.

        Raises:
            OSError: the file system is gone or read-only.
        """
        os.utime(descriptor)

    def end(self, mark: LeaseMark) -> None:
        """Note that a lease has ended, although its process may go on."""
        with contextlib.suppress(OSError):
            self._living(mark.token).rename(self._ended(mark.token))

    def has_ended(self, mark: LeaseMark) -> bool:
        """Whether the end of a lease was noted."""
        return self._ended(mark.token).exists()

    def is_locked(self, mark: LeaseMark) -> bool:
        """Whether its owner, or a fork of it, holds the file."""
        try:
            return is_held(self._living(mark.token))
        except OSError:
            return False

    def beat(self, mark: LeaseMark) -> int | None:
        """Return a number that changes with each sign of life; None without a file."""
        try:
            return self._living(mark.token).stat().st_mtime_ns
        except OSError:
            return None

    def now(self) -> float:
        """Return the time by the clock of the file system, which may be on another machine."""
        try:
            os.utime(self.folder)
            return self.folder.stat().st_mtime
        except OSError:
            return time.time()

    def _living(self, token: str) -> Path:
        return self.folder / f"lease-{token}.lock"

    def _ended(self, token: str) -> Path:
        return self.folder / f"lease-{token}.ended"

    def _sweep(self) -> None:
        """Remove the files of leases that ended long ago."""
        oldest = self.now() - KEPT_SECONDS
        for path in self.folder.glob("lease-*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest and not is_held(path):
                    path.unlink()


def give_signs(mark: LeaseMark, descriptor: int, ended: threading.Event) -> None:
    """Touch the file of a lease until it has ended."""
    while not ended.wait(mark.heartbeat):
        with contextlib.suppress(OSError):
            LeaseFiles.touch(descriptor)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about the owner of a lease. ``gone`` says why it is gone, and is empty while it may live.

    ``doubt`` says why nothing is known for certain; ``wait`` is in how many seconds to look again to be certain.
    """

    gone: str = ""
    doubt: str = ""
    wait: float = 0.0


class LeaseJudge:
    """Judges leases; one object sees over time which signs of life stand still. Blocks for a few milliseconds each."""

    def __init__(self, files: LeaseFiles, *, gone_hosts: Iterable[str] = ()) -> None:
        self._files = files
        self._gone_hosts = frozenset(gone_hosts)
        self._boot = this_boot()
        self._still: dict[str, tuple[int, float]] = {}

    def judge(self, mark: LeaseMark) -> Verdict:
        """Return what is known about the owner of a lease."""
        files = self._files
        if files.has_ended(mark):
            return Verdict(gone="its lease has ended")
        if files.is_locked(mark):
            return Verdict()
        if mark.boot and mark.boot == self._boot:
            started = process_start(mark.pid)
            if started is not None and _short(started) == mark.start:
                return Verdict()
            return Verdict(gone=f"process {mark.pid} on {mark.host} has ended")
        if mark.host in self._gone_hosts:
            return Verdict(gone=f"{mark.host} is said to be gone")
        return self._by_signs(mark)

    def _by_signs(self, mark: LeaseMark) -> Verdict:
        beat = self._files.beat(mark)
        if beat is None:
            return Verdict(doubt=f"{mark.host} can't be asked from here")
        silent = self._files.now() - beat / 1e9
        # A time in the future is no sign of life either: a clock was set.
        if abs(silent) < mark.grace:
            self._still.pop(mark.token, None)
            return Verdict()
        now, needed = time.monotonic(), 2 * mark.heartbeat
        seen, since = self._still.setdefault(mark.token, (beat, now))
        if seen != beat:
            self._still[mark.token] = (beat, now)
            since = now
        if now - since < needed:
            return Verdict(doubt=f"{mark.host} may be silent", wait=needed - (now - since))
        return Verdict(gone=f"{mark.host} has been silent for {max(silent, 0) / 60:.0f} min")
