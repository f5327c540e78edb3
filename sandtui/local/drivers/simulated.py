"""Sandboxes without processes: for demonstrations, snapshots and load."""

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
    FileTrouble,
    ImageUnavailable,
    NeverStarted,
    Refused,
    SandboxGone,
    Stream,
)
from sandtui.local.drivers.failures import Fate, Stage, fate_of
from sandtui.local.drivers.simulated_files import SimulatedFiles, made_up_files
from sandtui.local.drivers.simulated_fleet import made_up_use, make_fleet
from sandtui.local.store.records import SandboxRecord

ADMIT_SECONDS = 0.5
START_SECONDS = 1.5

MEASURING = "c=/sys/fs/cgroup;"
LOOKING_FOR_JOBS = re.compile(r"LC_ALL=C; export LC_ALL; cd /tmp .*?printf '\\n@(?P<mark>[0-9a-f]+) %s '", re.DOTALL)
"""So begins the command by which the dashboard measures use."""

_UNKNOWN = (
    "this sandbox is simulated: no program runs in it. It knows cat, date, echo, env, exit, false, "
    "hostname, pwd, sleep, true, uname and whoami."
)


class SimulatedDriver:
    """Plays a fleet; with the same seed and clock it is always the same."""

    name = "simulated"
    logs = None
    isolation = "simulated: no process runs, commands are answered from a small built-in set."
    warning = ""
    keeps_sandboxes = True

    def __init__(self, clock: Clock, images: Catalogue, fleet: int = 0, seed: int = 1) -> None:
        self._images = images
        self._clock = clock
        self._fleet = fleet
        self._seed = seed
        self._instances: dict[str, _Instance] = {}

    def fleet(self) -> list[SandboxRecord]:
        """Return the sandboxes that are there from the beginning, oldest first."""
        return make_fleet(self._fleet, self._seed, self._clock.now())

    def may_end(self, record: SandboxRecord) -> bool:
        """Return whether it was told to fail: nothing else ends a sandbox in which nothing runs."""
        return fate_of(record, self._seed) is not None

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go of everything."""

    def check(self, record: SandboxRecord) -> None:
        """Refuse what can't be honoured."""
        refuse_other_architecture(record.arch)
        if "\0" in record.name:
            raise Refused("name", "can't hold a NUL byte")

    async def admit(self, record: SandboxRecord) -> None:
        """Wait a moment, as in a queue."""
        # Counted from the record's own last change, so that a test's clock decides alone.
        await self._fail(record, "queued")
        await self._clock.sleep_until(record.updated_at + timedelta(seconds=ADMIT_SECONDS))

    async def image_trouble(self, image: str) -> str | None:
        """Return why an image can't be had, by its name."""
        return self._images.trouble(image)

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Take any lists: a sandbox in which nothing runs connects to nothing."""

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Take note that nothing has to be done."""

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the newest generation of a sandbox that runs."""
        return record.network_generation if record.status == "RUNNING" else 0

    async def start(self, record: SandboxRecord) -> _Instance:
        """Take the time that a real start would take."""
        await self._fail(record, "starting")
        await self._clock.sleep_until(record.updated_at + timedelta(seconds=START_SECONDS))
        if (trouble := self._images.trouble(record.docker_image)) is not None:
            raise ImageUnavailable(trouble)
        return self._instance(record)

    async def adopt(self, record: SandboxRecord) -> _Instance | None:
        """Find a sandbox again; the simulated ones never get lost."""
        return self._instance(record)

    async def discard(self, sandbox_id: str) -> None:
        """Forget a sandbox."""
        self._instances.pop(sandbox_id, None)

    async def remains(self) -> list[str]:
        """Return what is left of others; nothing ever is."""
        return []

    async def log(self, record: SandboxRecord) -> str:
        """Return a log that fits the sandbox's state."""
        lines = [(record.created_at, f"platform: simulated sandbox on {record.docker_image}")]
        if record.started_at is not None:
            lines.append((record.started_at, "platform: running"))
            lines.append((record.started_at + timedelta(seconds=1), f"{record.name}: ready"))
        if record.terminated_at is not None:
            why = record.error_message or record.termination_reason or "ended"
            lines.append((record.terminated_at, f"platform: {record.status.lower()}: {why}"))
        return "".join(f"{when:%Y-%m-%dT%H:%M:%SZ} {text}\n" for when, text in lines)

    def note(self, sandbox_id: str, text: str) -> None:
        """Drop the platform's own lines: the log is made from the record."""

    async def _fail(self, record: SandboxRecord, stage: Stage) -> None:
        """Wait and fail, when that is what a sandbox is to do at this stage."""
        fate = fate_of(record, self._seed)
        if fate is None or fate.failure.stage != stage:
            return
        await self._clock.sleep_until(record.updated_at + fate.after)
        raise NeverStarted(fate.failure.name, fate.message)

    def _instance(self, record: SandboxRecord) -> _Instance:
        return self._instances.setdefault(record.id, _Instance(record, self._clock, fate_of(record, self._seed)))


_pids = itertools.count(100)


class _Instance:
    def __init__(self, record: SandboxRecord, clock: Clock, fate: Fate | None) -> None:
        self._record = record
        self._clock = clock
        self._fate = fate
        self._begun = clock.now() if record.started_at is None else record.started_at
        self._files: dict[str, bytes] = made_up_files(record)
        self._served: set[asyncio.Task[None]] = set()

    async def run(self, command: Command) -> _Command:
        text = command.argv[-1]
        env = {"HOME": "/root", "PATH": "/usr/bin:/bin", **self._record.environment(), **command.env}
        return _Command(_Shell(self._record, self._clock, self._files, env, command.cwd or "/workspace"), text)

    async def open_read(self, path: str) -> _ReadFile:
        if path not in self._files:
            raise FileTrouble(errno.ENOENT, "No such file or directory")
        return _ReadFile(self._files[path])

    async def open_write(self, path: str) -> _WriteFile:
        return _WriteFile(self._files, path)

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        raise FileTrouble(errno.ENOSYS, "a simulated sandbox has no file system")

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        raise FileTrouble(errno.ENOSYS, "a simulated sandbox has no file system")

    async def listen(self, port: int) -> socket.socket:
        raise FileTrouble(errno.ENOSYS, "a simulated sandbox has no network")

    async def dial(self, port: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        task = asyncio.create_task(_serve_page(theirs, self._record.name, port))
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        return ours

    async def overran(self) -> bool:
        return False

    async def ended(self) -> Ending:
        if self._fate is None or self._fate.failure.stage != "running":
            await asyncio.Event().wait()
            raise SandboxGone("unreachable")
        await self._clock.sleep_until(self._begun + self._fate.after)
        failure = self._fate.failure
        return Ending(failure.exit_code, failure.error_type, self._fate.message)


async def _serve_page(sock: socket.socket, name: str, port: int) -> None:
    """Answer whatever is asked on a port with one plain page."""
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    body = f"simulated: port {port} of {name}\n".encode("utf-8", "replace")
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
    with sock, contextlib.suppress(OSError):
        await loop.sock_recv(sock, 65536)
        await loop.sock_sendall(sock, f"{head}connection: close\r\n\r\n".encode("ascii") + body)


class _Shell:
    """The few commands that a simulated sandbox knows."""

    def __init__(
        self, record: SandboxRecord, clock: Clock, files: dict[str, bytes], env: dict[str, str], cwd: str
    ) -> None:
        self._record = record
        self._clock = clock
        self._files = files
        self._env = env
        self._cwd = cwd

    async def run(self, text: str) -> tuple[str, str, int]:
        """Return what a command line prints and its exit code."""
        if text.startswith(MEASURING):
            return made_up_use(self._record, self._clock.now()), "", 0
        if look := LOOKING_FOR_JOBS.match(text):
            # No program runs here, so there are no jobs.
            now = int(self._clock.now().timestamp())
            return f"\n@{look['mark']} now {now}\n\n@{look['mark']} files \n@{look['mark']} end ", "", 0
        looked = SimulatedFiles(self._files, int(self._record.created_at.timestamp())).answer(text, self._cwd)
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
        """Take what is written; the built-in commands read nothing."""

    def close_input(self) -> None:
        """Nothing reads it."""

    def resize(self, cols: int, rows: int) -> None:
        """Nothing is drawn."""

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
