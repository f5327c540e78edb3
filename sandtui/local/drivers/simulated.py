"""Simulated sandboxes without processes, for demonstrations, snapshots and load tests."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import itertools
import posixpath
import re
import shlex
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

from sandtui.clock import Clock
from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.architecture import refuse_other_architecture
from sandtui.local.drivers.base import (
    Command,
    Ending,
    FileFailed,
    ImageUnavailable,
    NeverStarted,
    Refused,
    SandboxGone,
    Stream,
)
from sandtui.local.drivers.failures import Fate, Stage, fate_of
from sandtui.local.drivers.named_images import NamedImages
from sandtui.local.drivers.simulated_checkpoints import SimulatedCheckpoints
from sandtui.local.drivers.simulated_files import SimulatedFiles, sample_files
from sandtui.local.drivers.simulated_fleet import make_fleet, simulated_usage
from sandtui.local.drivers.simulated_networks import SimulatedNetworks
from sandtui.local.store.records import SandboxRecord

ADMIT_SECONDS = 0.5
START_SECONDS = 1.5

USAGE_COMMAND = "c=/sys/fs/cgroup;"
JOB_SCAN = re.compile(r"LC_ALL=C; export LC_ALL; cd /tmp .*?printf '\\n@(?P<mark>[0-9a-f]+) %s '", re.DOTALL)
"""The start of the command with which the dashboard measures usage."""

_UNKNOWN = (
    "this sandbox is simulated and runs no programs. It has cat, date, echo, env, exit, false, "
    "hostname, pwd, sleep, true, uname and whoami."
)


class SimulatedDriver:
    """Simulates a fleet; with the same seed and clock, it is always the same."""

    name = "simulated"
    logs = None
    isolation = "simulated: no processes; a few commands are built in."
    warning = ""
    keeps_sandboxes = True

    def __init__(self, clock: Clock, images: Catalogue, fleet: int = 0, seed: int = 1) -> None:
        self._images = images
        self.images = NamedImages(self.name, images)
        self._clock = clock
        self._fleet = fleet
        self._seed = seed
        self._instances: dict[str, _Instance] = {}
        self._checkpoints = SimulatedCheckpoints(self._files_of)
        self._networks = SimulatedNetworks()

    @property
    def checkpoints(self) -> SimulatedCheckpoints:
        """The part that takes checkpoints."""
        return self._checkpoints

    @property
    def networks(self) -> SimulatedNetworks:
        """The part for LAN networks."""
        return self._networks

    def _files_of(self, record: SandboxRecord) -> dict[str, bytes]:
        return self._instance(record).contents

    def fleet(self) -> list[SandboxRecord]:
        """Return the initial sandboxes, oldest first."""
        return make_fleet(self._fleet, self._seed, self._clock.now())

    def may_end(self, record: SandboxRecord) -> bool:
        """Return whether it is set to fail: nothing else ends a simulated sandbox."""
        return fate_of(record, self._seed) is not None

    async def open(self) -> None:
        """Do nothing: there is nothing to prepare."""

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def check(self, record: SandboxRecord) -> None:
        """Refuse what the driver does not support."""
        refuse_other_architecture(record.arch)
        if "\0" in record.name:
            raise Refused("name", "must not contain a NUL byte")

    async def admit(self, record: SandboxRecord) -> None:
        """Wait for a moment, as in a queue."""
        # Relative to the record's last change, so that only the clock of a test decides.
        await self._fail(record, "queued")
        await self._clock.sleep_until(record.updated_at + timedelta(seconds=ADMIT_SECONDS))

    async def image_error(self, image: str) -> str | None:
        """Return why an image is not available, by its name; None if it is."""
        return self._images.error(image)

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Accept all lists: a simulated sandbox makes no connections."""

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Do nothing: there is no network."""

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the newest generation."""
        return record.network_generation if record.status == "RUNNING" else 0

    async def start(self, record: SandboxRecord) -> _Instance:
        """Wait as long as a real start would take."""
        await self._fail(record, "starting")
        await self._clock.sleep_until(record.updated_at + timedelta(seconds=START_SECONDS))
        if record.image_id is None and (reason := self._images.error(record.docker_image)) is not None:
            raise ImageUnavailable(reason)
        return self._instance(record)

    async def adopt(self, record: SandboxRecord) -> _Instance | None:
        """Return a sandbox of an earlier platform; simulated ones always exist."""
        return self._instance(record)

    async def discard(self, sandbox_id: str) -> None:
        """Remove a sandbox."""
        self._instances.pop(sandbox_id, None)

    async def remains(self) -> list[str]:
        """Return no ids: nothing remains of simulated sandboxes."""
        return []

    async def log(self, record: SandboxRecord) -> str:
        """Return a log that matches the sandbox's state."""
        lines = [(record.created_at, f"platform: simulated sandbox on {record.docker_image}")]
        if record.started_at is not None:
            lines.append((record.started_at, "platform: running"))
            lines.append((record.started_at + timedelta(seconds=1), f"{record.name}: ready"))
        if record.terminated_at is not None:
            why = record.error_message or record.termination_reason or "ended"
            lines.append((record.terminated_at, f"platform: {record.status.lower()}: {why}"))
        return "".join(f"{when:%Y-%m-%dT%H:%M:%SZ} {text}\n" for when, text in lines)

    def note(self, sandbox_id: str, text: str) -> None:
        """Discard the line: the log is generated from the record."""

    async def _fail(self, record: SandboxRecord, stage: Stage) -> None:
        """Wait and fail if the sandbox is set to fail at this stage."""
        fate = fate_of(record, self._seed)
        if fate is None or fate.failure.stage != stage:
            return
        await self._clock.sleep_until(record.updated_at + fate.after)
        raise NeverStarted(fate.failure.name, fate.message)

    def _instance(self, record: SandboxRecord) -> _Instance:
        if (instance := self._instances.get(record.id)) is None:
            stored = self._checkpoints.files(record.checkpoint_id)
            files = (sample_files(record) if stored is None else stored) | self._checkpoints.mounted(record)
            instance = _Instance(record, self._clock, fate_of(record, self._seed), files)
            self._instances[record.id] = instance
        return instance


_pids = itertools.count(100)


class _Instance:
    def __init__(self, record: SandboxRecord, clock: Clock, fate: Fate | None, files: dict[str, bytes]) -> None:
        self._record = record
        self._clock = clock
        self._fate = fate
        self._begun = clock.now() if record.started_at is None else record.started_at
        self._files = files
        self._served: set[asyncio.Task[None]] = set()

    @property
    def contents(self) -> dict[str, bytes]:
        return self._files

    async def run(self, command: Command) -> _Command:
        text = command.argv[-1]
        env = {"HOME": "/root", "PATH": "/usr/bin:/bin", **self._record.environment(), **command.env}
        return _Command(_Shell(self._record, self._clock, self._files, env, command.cwd or "/workspace"), text)

    async def open_read(self, path: str) -> _ReadFile:
        if path not in self._files:
            raise FileFailed(errno.ENOENT, "No such file or directory")
        return _ReadFile(self._files[path])

    async def open_write(self, path: str) -> _WriteFile:
        return _WriteFile(self._files, path)

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        raise FileFailed(errno.ENOSYS, "a simulated sandbox has no file system")

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        raise FileFailed(errno.ENOSYS, "a simulated sandbox has no file system")

    async def listen(self, port: int) -> socket.socket:
        raise FileFailed(errno.ENOSYS, "a simulated sandbox has no network")

    async def dial(self, port: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        task = asyncio.create_task(_serve_page(theirs, self._record.name, port))
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        return ours

    async def exceeded_limits(self) -> bool:
        return False

    async def ended(self) -> Ending:
        if self._fate is None or self._fate.failure.stage != "running":
            await asyncio.Event().wait()
            raise SandboxGone("unreachable")
        await self._clock.sleep_until(self._begun + self._fate.after)
        failure = self._fate.failure
        return Ending(failure.exit_code, failure.error_type, self._fate.message)


async def _serve_page(sock: socket.socket, name: str, port: int) -> None:
    """Answer every request with a plain page."""
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    body = f"simulated: port {port} of {name}\n".encode("utf-8", "replace")
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
    with sock, contextlib.suppress(OSError):
        await loop.sock_recv(sock, 65536)
        await loop.sock_sendall(sock, f"{head}connection: close\r\n\r\n".encode("ascii") + body)


class _Shell:
    """The few commands that a simulated sandbox has."""

    def __init__(
        self, record: SandboxRecord, clock: Clock, files: dict[str, bytes], env: dict[str, str], cwd: str
    ) -> None:
        self._record = record
        self._clock = clock
        self._files = files
        self._env = env
        self._cwd = cwd

    async def run(self, text: str) -> tuple[str, str, int]:
        """Return the output, the errors and the exit code of a command line."""
        if text.startswith(USAGE_COMMAND):
            return simulated_usage(self._record, self._clock.now()), "", 0
        if look := JOB_SCAN.match(text):
            # No program runs here, so there are no jobs.
            now = int(self._clock.now().timestamp())
            return f"\n@{look['mark']} now {now}\n\n@{look['mark']} files \n@{look['mark']} end ", "", 0
        looked = SimulatedFiles(self._files, int(self._record.created_at.timestamp())).run(text, self._cwd)
        if looked is not None:
            return looked
        try:
            words = shlex.split(text)
        except ValueError as error:
            return "", f"sh: {error}\n", 2
        if not words:
            return "", "", 0
        name, *arguments = words
        simple: dict[str, Callable[[], str]] = {
            "true": lambda: "",
            "echo": lambda: " ".join(self._expand(word) for word in arguments) + "\n",
            "uname": lambda: "Linux\n" if "-a" not in arguments else f"Linux {self._host} 6.1.0 simulated\n",
            "hostname": lambda: f"{self._host}\n",
            "whoami": lambda: "root\n",
            "pwd": lambda: f"{self._cwd}\n",
            "date": lambda: f"{self._clock.now():%a %b %d %H:%M:%S UTC %Y}\n",
            "env": lambda: "".join(f"{key}={value}\n" for key, value in sorted(self._env.items())),
        }
        if name in simple:
            return simple[name](), "", 0
        if name == "false":
            return "", "", 1
        if name == "exit":
            code = arguments[0] if arguments else "0"
            return "", "", int(code) & 255 if code.isdecimal() else 2
        if name == "sleep" and len(arguments) == 1:
            return await self._sleep(arguments[0])
        if name == "cat" and arguments:
            return self._cat(arguments)
        if name == "sha256sum" and len(arguments) == 2 and arguments[0] == "<":
            return self._sum(arguments[1])
        return "", f"sh: {name}: {_UNKNOWN}\n", 127

    @property
    def _host(self) -> str:
        return self._record.name

    def _expand(self, word: str) -> str:
        return self._env.get(word[1:], "") if word.startswith("$") else word

    async def _sleep(self, amount: str) -> tuple[str, str, int]:
        try:
            wait = timedelta(seconds=float(amount))
        except (ValueError, OverflowError):
            return "", f"sleep: invalid time interval '{amount}'\n", 1
        await self._clock.sleep_until(self._clock.now() + wait)
        return "", "", 0

    def _sum(self, path: str) -> tuple[str, str, int]:
        whole = posixpath.join(self._cwd, path)
        if whole not in self._files:
            return "", f"sh: {path}: No such file or directory\n", 1
        return f"{hashlib.sha256(self._files[whole]).hexdigest()}  -\n", "", 0

    def _cat(self, paths: list[str]) -> tuple[str, str, int]:
        out = err = ""
        for path in paths:
            whole = posixpath.join(self._cwd, path)
            if whole in self._files:
                out += self._files[whole].decode("utf-8", "replace")
            else:
                err += f"cat: {path}: No such file or directory\n"
        return out, err, 1 if err else 0


class _Command:
    def __init__(self, shell: _Shell, text: str) -> None:
        self._work = asyncio.ensure_future(shell.run(text))
        self.pid = next(_pids)

    async def write(self, data: bytes) -> None:
        """Discard the input: the built-in commands read none."""

    def close_input(self) -> None:
        """Do nothing: no command reads the input."""

    def resize(self, cols: int, rows: int) -> None:
        """Do nothing: no command draws on the terminal."""

    async def output(self, stream: Stream) -> AsyncIterator[bytes]:
        try:
            out, err, _ = await asyncio.shield(self._work)
        except asyncio.CancelledError:
            if not self._work.cancelled():
                raise
            return
        text = out if stream == "stdout" else err
        if text:
            yield text.encode("utf-8", "replace")

    async def wait(self) -> int:
        await asyncio.wait([self._work])
        return 137 if self._work.cancelled() else self._work.result()[2]

    async def kill(self, signal: int) -> None:
        self._work.cancel()

    def close(self) -> None:
        self._work.cancel()


class _ReadFile:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    async def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def close(self) -> None:
        self._data = b""


class _WriteFile:
    def __init__(self, files: dict[str, bytes], path: str) -> None:
        self._files = files
        self._path = path
        self._data = bytearray()

    async def write(self, data: bytes) -> None:
        self._data += data

    async def commit(self) -> None:
        self._files[self._path] = bytes(self._data)

    def close(self) -> None:
        self._data.clear()
