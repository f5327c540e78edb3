"""Stops all processes of a sandbox and its file system for a moment, and starts them again, whatever happens.

What has to be undone is written to a marker before anything is stopped, so that the next platform can undo it too.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_FREEZE_FILES: Final = 0xC0045877
_THAW_FILES: Final = 0xC0045878
_SECONDS: Final = 10.0
_SECONDS_WITH_FILES: Final = 1.0
"""How long processes are waited for if their file system is stopped as well."""
_PAUSE: Final = 0.001
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


def sync_file_system(path: str | None, device: int | None = None) -> None:
    """Write what a file system has in memory, if it is that of a device."""
    if path is None:
        return
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if device is not None and os.fstat(fd).st_dev != device:
            return
        if _libc.syncfs(fd) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(fd)


class Freeze:
    """The standstill of one sandbox.

    ``group`` says how its processes are stopped: ``{"version": 2, "path": ...}`` is its own control group,
    ``{"version": 1, "path": ..., "members": ...}`` a group to create in the hierarchy of the freezer for the processes
    that the group ``members`` has; without it they are stopped with signals. ``mounted`` is a path to its file system
    on ``device``, if that is one of its own; no other is ever stopped.
    """

    def __init__(
        self, marker: str, agent: int, group: dict[str, Any] | None, mounted: str | None, device: int = 0
    ) -> None:
        self._device = device
        self._marker = marker
        self._agent = agent
        self._group = group
        self.mounted = mounted
        self._lock = threading.Lock()
        self._is_over = False

    def begin(self) -> None:
        """Stop all processes.

        Raises:
            OSError: they cannot be stopped.
        """
        with self._lock:
            if self._is_over:
                raise OSError(errno.ECANCELED, "the copy was cancelled")
            record: dict[str, Any] = {"agent": self._agent, "group": self._group, "mounted": self.mounted}
            record["device"] = self._device
            if self._group is None:
                record["stopped"] = [pid for pid in _family(self._agent) if _state(pid) in "Tt"]
            with open(self._marker, "w", encoding="ascii") as file:
                json.dump(record, file)
            try:
                self._stop_processes()
            except OSError:
                # A file system that stands still is consistent, whatever the processes do; a tree is not.
                if self.mounted is None:
                    raise

    def _stop_processes(self) -> None:
        seconds = _SECONDS if self.mounted is None else _SECONDS_WITH_FILES
        if self._group is None:
            _stop_with_signals(self._agent, seconds)
        elif self._group["version"] == 2:
            path = self._group["path"]
            _write(f"{path}/cgroup.freeze", "1")
            _wait_for(lambda: b"frozen 1" in _read(f"{path}/cgroup.events"), seconds)
        else:
            path = self._group["path"]
            _gather(self._group)
            # Written again and again: a process that was just being started may have missed it.
            _wait_for(lambda: _is_frozen(f"{path}/freezer.state"), seconds)

    def sync(self) -> None:
        """Write what the file system has in memory."""
        sync_file_system(self.mounted, self._device)

    def file_system(self) -> None:
        """Stop the file system, after everything is written; even the platform's own writes to it wait then."""
        if self.mounted is None:
            return
        with self._lock:
            if self._is_over:
                raise OSError(errno.ECANCELED, "the copy was cancelled")
            fd = os.open(self.mounted, _DIRECTORY)
            try:
                if os.fstat(fd).st_dev != self._device:
                    raise OSError(errno.ESTALE, "the files were moved while they were copied")
                fcntl.ioctl(fd, _FREEZE_FILES, 0)
            finally:
                os.close(fd)

    def end(self) -> None:
        """Start everything again. May be called at any time, by any thread, and more than once."""
        with self._lock:
            self._is_over = True
            undo(self._marker)


def undo(marker: str) -> None:
    """Start what a marker says is stopped, and remove the marker."""
    try:
        with open(marker, encoding="ascii") as file:
            found = json.load(file)
    except FileNotFoundError:
        return
    except ValueError:
        found = {}  # it was being written, before anything was stopped
    if found:
        _thaw_files(found.get("mounted"), found.get("device"))
        group = found.get("group")
        if group is None:
            _continue(found["agent"], set(found.get("stopped", ())))
        elif group["version"] == 2:
            _try_write(f"{group['path']}/cgroup.freeze", "0")
        else:
            _release(group)
    try:
        os.unlink(marker)
    except FileNotFoundError:
        pass


def _thaw_files(path: str | None, device: int | None) -> None:
    if path is None:
        return
    try:
        fd = os.open(path, _DIRECTORY)
    except OSError:
        return  # the sandbox has ended
    try:
        # The number of its first process may be another process's by now.
        if os.fstat(fd).st_dev == device:
            fcntl.ioctl(fd, _THAW_FILES, 0)
    except OSError as error:
        if error.errno != errno.EINVAL:  # which means that it is not frozen
            raise
    finally:
        os.close(fd)


def _gather(group: dict[str, Any]) -> None:
    """Move all processes of a sandbox into a group that can be stopped at once."""
    os.makedirs(group["path"], exist_ok=True)
    _write(f"{group['path']}/freezer.state", "THAWED")
    end = time.monotonic() + _SECONDS
    # Processes start and end meanwhile. When all that were listed are inside, so are all that they have started.
    while _move_missing(group["path"], group["members"]):
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, "the sandbox starts processes faster than they can be stopped")


def _move_missing(path: str, members: str) -> int:
    """Move the processes that are not in a group yet; return how many there were."""
    listed = _read(f"{members}/cgroup.procs").split()
    inside = set(_read(f"{path}/cgroup.procs").split())
    name = os.fsencode(path[path.rindex("/") :])
    moved = 0
    for pid in listed:
        if pid in inside:
            continue
        try:
            where = _read(f"/proc/{pid.decode()}/cgroup")
        except OSError:
            continue  # it has ended
        if not any(b":freezer:" in line and line.endswith(name) for line in where.splitlines()):
            _try_write(f"{path}/cgroup.procs", pid.decode())
            moved += 1
    return moved


def _release(group: dict[str, Any]) -> None:
    """Start the processes of a group, move them back and remove it."""
    path = group["path"]
    if not os.path.isdir(path):
        return
    _try_write(f"{path}/freezer.state", "THAWED")
    above = os.path.dirname(path)
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        try:
            for pid in _read(f"{path}/cgroup.procs").split():
                _try_write(f"{above}/cgroup.procs", pid.decode())
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _is_frozen(path: str) -> bool:
    _write(path, "FROZEN")
    return _read(path).strip() == b"FROZEN"


def _stop_with_signals(agent: int, seconds: float) -> None:
    """Stop a sandbox's first process, so that nothing new is started for the platform, and then all others."""
    end = time.monotonic() + seconds
    quiet = 0
    while quiet < 2:  # a process that was just being started may be missed once
        moving = [pid for pid in (agent, *_family(agent)) if _state(pid) not in "TtZXx"]
        for pid in moving:
            _signal(pid, signal.SIGSTOP)
        quiet = 0 if moving else quiet + 1
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, "the processes of the sandbox cannot be stopped")
        if moving:
            time.sleep(_PAUSE)


def _continue(agent: int, stopped: set[int]) -> None:
    for pid in (*_family(agent), agent):
        if pid not in stopped:
            _signal(pid, signal.SIGCONT)


def _family(agent: int) -> list[int]:
    """Return all processes below the first one of a sandbox."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(name))
            except (OSError, IndexError, ValueError):
                continue
    found: list[int] = []
    todo = [agent]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _state(pid: int) -> str:
    try:
        # The name in parentheses may contain anything.
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return "X"


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended


def _wait_for(holds: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, "the processes of the sandbox cannot be stopped")
        time.sleep(_PAUSE)


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while more := os.read(fd, 65536):
            data += more
        return data
    finally:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _try_write(path: str, text: str) -> None:
    try:
        _write(path, text)
    except OSError:
        pass  # the process, or the group, has ended
