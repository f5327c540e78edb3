"""Limits by control groups, version 2 or 1, if this process may create groups."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Final, Self

from sandtui.local.drivers.base import DriverError

AGENT_BYTES: Final = 16 * 1024 * 1024
"""Memory for the agent, which is in the group of its sandbox."""
MAX_PROCESSES: Final = 4096
_PERIOD: Final = 100_000
_BUSY_PART: Final = 20
_MOST_READ: Final = 200
_FILE: Final = "cgroups.json"
_END_SECONDS: Final = 5.0
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_MOUNTS: Final = Path("/proc/self/mountinfo")
_OWN: Final = Path("/proc/self/cgroup")


class ControlGroup:
    """The group of one sandbox. Its path is saved with the sandbox, since a later platform may use another parent."""

    def __init__(self, version: int, paths: dict[str, Path]) -> None:
        self._version = version
        self.paths = paths

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Return the saved group of a sandbox, or None if it has none."""
        try:
            values = json.loads((directory / _FILE).read_text())
            return cls(int(values["version"]), {key: Path(path) for key, path in values["paths"].items()})
        except (OSError, ValueError, KeyError):
            return None

    def save(self, directory: Path) -> None:
        """Save the paths; call it before the group is created."""
        values = {"version": self._version, "paths": {key: str(path) for key, path in self.paths.items()}}
        (directory / _FILE).write_text(json.dumps(values))

    def create(self, memory_gb: float, cores: float) -> list[str]:
        """Create the group with its limits; return the files to which the first process must write its pid."""
        files = self.make()
        self.limit(memory_gb, cores)
        return files

    def make(self) -> list[str]:
        """Create the group without limits; return the files to which a process must write its pid."""
        try:
            for group in self._directories:
                _make(group)
        except OSError as error:
            raise DriverError(f"The limits of the sandbox could not be set: {error}") from error
        return [str(group / "cgroup.procs") for group in self._directories]

    def limit(self, memory_gb: float, cores: float) -> None:
        """Set the limits, before anything of a sandbox runs in the group."""
        memory = str(int(memory_gb * 1024**3) + AGENT_BYTES)
        quota = max(1000, int(cores * _PERIOD))
        values: dict[str, list[tuple[str, str, bool]]]
        if self._version == 2:
            values = {
                "memory": [("memory.max", memory, True), ("memory.swap.max", "0", False)],
                "cpu": [("cpu.max", f"{quota} {_PERIOD}", True)],
                "pids": [("pids.max", str(MAX_PROCESSES), True)],
            }
        else:
            values = {
                "memory": [("memory.limit_in_bytes", memory, True), ("memory.memsw.limit_in_bytes", memory, False)],
                "cpu": [("cpu.cfs_period_us", str(_PERIOD), True), ("cpu.cfs_quota_us", str(quota), True)],
                "pids": [("pids.max", str(MAX_PROCESSES), True)],
            }
        try:
            for controller, group in self.paths.items():
                for name, value, is_needed in values[controller]:
                    with contextlib.nullcontext() if is_needed else contextlib.suppress(OSError):
                        (group / name).write_text(value)
        except OSError as error:
            raise DriverError(f"The limits of the sandbox could not be set: {error}") from error

    def oom_kills(self) -> int:
        """Return the number of processes that were killed for lack of memory."""
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        try:
            found = _read(f"{self.paths['memory']}/{name}")
        except OSError:
            return 0
        return _value(found, b"oom_kill")

    def cpu_seconds(self) -> float:
        """Return the time on cores that the processes have used, or 0 if cores cannot be limited."""
        group = self.paths.get("cpu")
        if group is None:
            return 0.0
        try:
            if self._version == 2:
                return _value(_read(f"{group}/cpu.stat"), b"usage_usec") / 1e6
            return int(_read(f"{group}/cpuacct.usage")) / 1e9
        except FileNotFoundError:
            return _seconds_of(group)  # version 1 with this counter in another hierarchy
        except (OSError, ValueError):
            return 0.0

    def set_weight(self, *, is_busy: bool) -> None:
        """Set the share of cores that many processes want: full, or that of a sandbox that is always busy."""
        group = self.paths.get("cpu")
        if group is None:
            return
        name, weight = ("cpu.weight", 100) if self._version == 2 else ("cpu.shares", 1024)
        with contextlib.suppress(OSError):  # it may be ending
            (group / name).write_text(str(weight // _BUSY_PART if is_busy else weight))

    def freezing(self) -> dict[str, Any] | None:
        """Return how all its processes are stopped at once, for the copier, or None if they cannot be."""
        if self._version == 2:
            return {"version": 2, "path": str(self._directories[0])}
        try:
            base = _mounts()["freezer"]
            base = base / dict(_own_groups()).get("freezer", "/").lstrip("/")
        except (OSError, ValueError, KeyError):
            return None
        members = self._directories[0]
        if not os.access(base, os.W_OK):
            return None
        return {"version": 1, "path": str(base / f"{members.parent.name}-{members.name}"), "members": str(members)}

    def remove(self) -> None:
        """Kill the processes that are left in the group and remove it."""
        end = time.monotonic() + _END_SECONDS
        for group in self._directories:
            while True:
                try:
                    group.rmdir()
                except FileNotFoundError:
                    break
                except OSError as error:
                    if error.errno != errno.EBUSY or time.monotonic() >= end:
                        raise DriverError(f"The group {group} cannot be removed: {error.strerror}.") from error
                    _kill_all(group)
                    time.sleep(0.005)
            if self._version == 1:
                # Remove the parent if it is empty; with version 2, it delegates the controllers.
                with contextlib.suppress(OSError):
                    group.parent.rmdir()

    @property
    def _directories(self) -> list[Path]:
        return sorted(set(self.paths.values()))


class Cgroups:
    """The parent groups in which a platform creates the groups of its sandboxes."""

    def __init__(self, version: int, parents: dict[str, Path]) -> None:
        self.version = version
        self.parents = parents
        """By controller; with version 2, all are the same directory."""

    @property
    def has_cores(self) -> bool:
        """Whether cores can be limited too."""
        return "cpu" in self.parents

    def group(self, sandbox_id: str) -> ControlGroup:
        """Return the group for a sandbox; it is not created yet."""
        return ControlGroup(
            self.version, {controller: parent / sandbox_id for controller, parent in self.parents.items()}
        )

    def close(self) -> None:
        """Remove the parents unless they contain groups."""
        for parent in set(self.parents.values()):
            with contextlib.suppress(OSError):
                parent.rmdir()


def find_cgroups(state_dir: Path) -> Cgroups | None:
    """Return the groups that this process may create, after a test, or None."""
    name = f"sandtui-{hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]}"
    try:
        mounts = _mounts()
        own = dict(_own_groups())
    except (OSError, ValueError):
        return None
    for candidate in (_version_2(mounts, own, name), _version_1(mounts, own, name)):
        if candidate is not None and _works(candidate):
            return candidate
    return None


def _version_2(mounts: dict[str, Path], own: dict[str, str], name: str) -> Cgroups | None:
    top = mounts.get("cgroup2")
    if top is None:
        return None
    # A group with processes cannot delegate controllers, so use a sibling of ours, or a group below the root.
    for above in ((top / own.get("", "/").lstrip("/")).parent, top):
        if not above.is_relative_to(top) or not os.access(above, os.W_OK):
            continue
        try:
            if not {"memory", "pids"} <= set((above / "cgroup.controllers").read_text().split()):
                continue
            parent = above / name
            for group in (above, parent):
                parent.mkdir(exist_ok=True)
                available = (group / "cgroup.controllers").read_text().split()
                wanted = [f"+{one}" for one in ("memory", "cpu", "pids") if one in available]
                (group / "cgroup.subtree_control").write_text(" ".join(wanted))
            handed = set((parent / "cgroup.subtree_control").read_text().split())
        except OSError:
            continue
        if {"memory", "pids"} <= handed:
            return Cgroups(2, {one: parent for one in ("memory", "cpu", "pids") if one in handed})
    return None


def _version_1(mounts: dict[str, Path], own: dict[str, str], name: str) -> Cgroups | None:
    parents = {}
    for controller in ("memory", "cpu", "pids"):
        top = mounts.get(controller)
        if top is None:
            continue
        # Below our own group, so that its limits apply to the sandboxes too. In a container without a cgroup
        # namespace, the path of the group exists only on the host.
        ours = top / own.get(controller, "/").lstrip("/")
        parents[controller] = (ours if ours.is_dir() else top) / name
    return Cgroups(1, parents) if "memory" in parents else None


def _works(cgroups: Cgroups) -> bool:
    group = cgroups.group(f"probe-{os.getpid()}")
    child = 0
    try:
        files = group.create(1.0, 1.0)
        child = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
        for file in files:
            Path(file).write_text(str(child))
    except (OSError, DriverError):
        return False
    finally:
        if child > 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        with contextlib.suppress(DriverError, OSError):
            group.remove()
    return True


def _mounts() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for line in _MOUNTS.read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        point = Path(fields.split(" ")[4].replace("\\040", " "))
        if kind == "cgroup2":
            found.setdefault("cgroup2", point)
        elif kind == "cgroup":
            for controller in options.rpartition(" ")[2].split(","):
                found.setdefault(controller, point)
    return found


def _own_groups() -> list[tuple[str, str]]:
    rows = []
    for line in _OWN.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        rows += [(controller, path) for controller in controllers.split(",")]
    return rows


def _make(group: Path) -> None:
    for _ in range(10):
        with contextlib.suppress(FileNotFoundError):
            # Another sandbox may end and remove the parent at the same time.
            group.mkdir(parents=True, exist_ok=True)
            return
    group.mkdir(parents=True, exist_ok=True)


def _read(path: str) -> bytes:
    """Return the content of a small file; with hundreds of sandboxes, what pathlib adds to that counts."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def _value(text: bytes, name: bytes) -> int:
    """Return the number after a name at the beginning of a line, or 0."""
    for line in text.splitlines():
        key, _, value = line.partition(b" ")
        if key == name:
            return int(value)
    return 0


def _seconds_of(group: Path) -> float:
    """Return the time that the processes of a group, and those that they have waited for, spent on cores.

    A group of very many counts as busy.
    """
    ticks = 0
    with contextlib.suppress(OSError):
        pids = _read(f"{group}/cgroup.procs").split()
        if len(pids) > _MOST_READ:
            return time.monotonic() * _MOST_READ  # to look at all of them would take longer than it is worth
        for pid in pids:
            with contextlib.suppress(OSError, ValueError):
                # The name in parentheses may contain anything, so count the fields from its end.
                fields = _read(f"/proc/{pid.decode()}/stat").rpartition(b")")[2].split()
                ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS_PER_SECOND


def _kill_all(group: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
