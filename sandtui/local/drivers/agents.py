"""The common part of drivers with real processes: launching, finding and ending sandboxes through their agents."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sandtui.cancellation import run_to_end
from sandtui.local.agent import libc
from sandtui.local.agent.protocol import ProtocolError
from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.agent_instance import SOCKET_NAME, AgentInstance
from sandtui.local.drivers.agent_processes import PATH, find_agent, reap
from sandtui.local.drivers.base import (
    COMMAND_TOO_LONG,
    CheckpointDriver,
    DriverError,
    ImageUnavailable,
    NetworkDriver,
    SandboxGone,
)
from sandtui.local.drivers.cgroups import ControlGroup, find_cgroups
from sandtui.local.drivers.channel import Channel
from sandtui.local.drivers.cpu_weights import CpuWeights
from sandtui.local.drivers.launcher import Launcher, LauncherDied
from sandtui.local.drivers.logs import SandboxLogs
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.drivers.named_images import NamedImages
from sandtui.local.drivers.spares import Spare, Spares, make_directory
from sandtui.local.files import private_directory, remove_tree
from sandtui.local.readiness import readable
from sandtui.local.store.records import SandboxRecord

MARKER = "SANDTUI_SANDBOX_ID"
HOME = "/root"
WORKING_DIRECTORY = "/workspace"

_log = logging.getLogger(__name__)

_LAUNCHES_AT_ONCE = 8
_END_SECONDS = 10.0
WATCH_SECONDS = 0.5
_CHECKED_AT_ONCE = 50
# Without a platform, an agent ends its sandbox this long after its lifetime.
_GRACE_SECONDS = 60.0


class AgentDriver:
    """Runs each sandbox behind an agent that outlives the platform."""

    name = ""
    isolation = ""
    warning = ""
    keeps_sandboxes = False

    @property
    def checkpoints(self) -> CheckpointDriver | None:
        """The part that takes checkpoints; None: a driver has to isolate files for that."""
        return None

    @property
    def networks(self) -> NetworkDriver | None:
        """The part that carries LAN networks; None: a driver has to carry packets for that."""
        return None

    def __init__(self, state_dir: Path, images: Catalogue) -> None:
        self._images = images
        self.images = NamedImages(self.name, images)
        self._cgroups = find_cgroups(state_dir)
        self._watching: asyncio.Task[None] | None = None
        self._sandboxes = state_dir / "sandboxes"
        self.logs = SandboxLogs(state_dir / "logs")
        self._launcher = Launcher()
        self._spares = Spares(state_dir / "spares", self._cgroups, self._launcher)
        self._launching = asyncio.Semaphore(_LAUNCHES_AT_ONCE)
        self._instances: dict[str, AgentInstance] = {}
        self._children: dict[str, int] = {}
        self._weights = CpuWeights()

    async def open(self) -> None:
        """Prepare the directories and watch the memory and the cores of sandboxes."""
        private_directory(self._sandboxes, "directory")
        self.logs.open()
        await asyncio.to_thread(machine_python)
        if sys.platform == "linux":
            # Agents become our children when their launcher exits, so that all of them are reaped.
            libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
            libc.run_in_short_turns()
        self._launcher.open()
        await self._spares.open()
        self._watching = asyncio.create_task(self._watch_limits(), name="limits")

    async def close(self) -> None:
        """Stop watching the sandboxes."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._spares.close()
        await self._launcher.close()
        if self._cgroups is not None:
            self._cgroups.close()
        for instance in self._instances.values():
            instance.close()
        self._instances.clear()

    def fleet(self) -> list[SandboxRecord]:
        """Return no sandboxes: this driver starts without any."""
        return []

    def may_end(self, record: SandboxRecord) -> bool:
        """Return True: its start command can end, or it can run out of memory."""
        return True

    async def admit(self, record: SandboxRecord) -> None:
        """Admit every sandbox; only the machine limits them."""

    async def image_error(self, image: str) -> str | None:
        """Return why an image is not available; nothing is pulled, so only its name counts."""
        return self._images.error(image)

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Do nothing: lists that would need it are refused."""

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the newest generation: access was decided when the sandbox was created."""
        return record.network_generation if record.id in self._instances else 0

    async def start(self, record: SandboxRecord) -> AgentInstance:
        """Create a sandbox and start it."""
        if record.image_id is None and (reason := self._images.error(record.docker_image)) is not None:
            raise ImageUnavailable(reason)
        self.note(record.id, f"image {record.docker_image!r} is only a name; the line above describes the base")
        directory = self._sandboxes / record.id
        root = directory / "root"
        if directory.exists():
            # An earlier platform was killed while it began with this one.
            await self.discard(record.id)
        try:
            async with self._launching:
                await self._launch_whole(record, directory, root)
            if not self._launching.locked():
                self._spares.refill()
            return await self._attach(record)
        except ProtocolError as error:
            raise DriverError(f"The sandbox could not be started: {COMMAND_TOO_LONG}") from error
        except (OSError, SandboxGone) as error:
            raise DriverError(f"The sandbox could not be started: {error}") from error

    async def adopt(self, record: SandboxRecord) -> AgentInstance | None:
        """Return a running sandbox that an earlier platform started, or None."""
        try:
            return await self._attach(record)
        except SandboxGone:
            return None

    async def discard(self, sandbox_id: str) -> None:
        """End all processes of a sandbox and remove its files."""
        instance = self._instances.pop(sandbox_id, None)
        directory = self._sandboxes / sandbox_id
        if directory.is_dir():
            await self._end(sandbox_id, directory)
        if instance is not None:
            instance.close()
        await asyncio.to_thread(_clear_away, directory, self._children.pop(sandbox_id, None))
        self._released(sandbox_id)

    async def remains(self) -> list[str]:
        """Return the ids of sandboxes with anything left but a log."""
        return sorted(path.name for path in self._sandboxes.iterdir())

    async def log(self, record: SandboxRecord) -> str:
        """Return the log of a sandbox, without the beginning of a very long one."""
        return await asyncio.to_thread(self.logs.tail, record.id)

    def note(self, sandbox_id: str, text: str) -> None:
        """Write a line of the platform to the log of a sandbox."""
        self.logs.note(sandbox_id, text)

    async def measure(self, sandbox_id: str) -> dict[str, Any]:
        """Return the number of processes of a sandbox and their memory."""
        with await Channel.connect(self._sandboxes / sandbox_id, SOCKET_NAME) as channel:
            reply = await channel.ask({"op": "stats"})
            reply.close()
            return reply.message

    @property
    def _limits(self) -> str:
        """A description of the limits for users."""
        if sys.platform != "linux":
            return "memory, cores and disk are not limited"
        if self._cgroups is None:
            return (
                "memory, including in-memory files, is watched, and a sandbox that exceeds it is ended; "
                f"cores are not limited; {self._disk_limit}"
            )
        limited = "memory and cores are" if self._cgroups.has_cores else "memory is"
        return f"{limited} limited by control groups; {self._disk_limit}"

    @property
    def _disk_limit(self) -> str:
        """A description of the disk limits for users."""
        return "disk is not limited"

    async def _watch_limits(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for number, instance in enumerate(list(self._instances.values())):
                if number % _CHECKED_AT_ONCE == _CHECKED_AT_ONCE - 1:
                    await asyncio.sleep(0)
                instance.check_memory()
            await self._weights.update(
                {key: one.group for key, one in self._instances.items() if one.group is not None}
            )

    async def _isolation(self, record: SandboxRecord, root: Path) -> dict[str, Any] | None:
        """Return what the agent has to build around the sandbox."""
        raise NotImplementedError

    def _environment(self, record: SandboxRecord, root: Path) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": HOME,
            "LANG": "C.UTF-8",
            MARKER: record.id,
            **record.environment(),
        }

    def _working_directory(self, root: Path) -> str:
        return WORKING_DIRECTORY

    def _instance(self, record: SandboxRecord, watch: Channel) -> AgentInstance:
        directory = self._sandboxes / record.id
        root = directory / "root"
        env = self._environment(record, root)
        return AgentInstance(directory, env, self._working_directory(root), watch)

    async def _terminate(self, directory: Path, agent: int | None) -> None:
        """Ask the agent to end; what it leaves is killed afterwards."""

    def _released(self, sandbox_id: str) -> None:
        """Release what is reserved for a removed sandbox."""

    async def _launch_whole(self, record: SandboxRecord, directory: Path, root: Path) -> None:
        """Launch an agent, to the end even if it is no longer wanted.

        A cancelled launch could leave an agent without a socket, which nothing could end.
        """

        async def launch_and_note() -> None:
            self._children[record.id] = await self._launch(record, directory, root)

        await run_to_end(launch_and_note())

    async def _launch(self, record: SandboxRecord, directory: Path, root: Path) -> int:
        spare = self._spares.take(directory)
        try:
            groups = await asyncio.to_thread(self._furnish, record, directory, spare)
            spec = {
                "cgroups": groups,
                "directory": str(directory),
                "root": str(root),
                "log": str(self.logs.path(record.id)),
                "isolation": await self._isolation(record, root),
            }
            if spare is not None:
                try:
                    return await spare.launch.carry_out(spec)
                except LauncherDied as error:
                    if error.has_begun(spec):
                        raise
                    _log.warning("a waiting launcher is replaced: %s", error)
                    spec["cgroups"] = spare.group.make()
        finally:
            if spare is not None:
                spare.launch.close()
        return await self._launcher.launch(spec)

    def _furnish(self, record: SandboxRecord, directory: Path, spare: Spare | None) -> list[str]:
        """Make directory and control group; return the files into which the first process has to write itself."""
        if spare is not None:
            spare.group.limit(record.memory_gb, record.cpu_cores)
            return []
        make_directory(directory)
        if self._cgroups is None:
            return []
        group = self._cgroups.group(record.id)
        group.save(directory)
        return group.create(record.memory_gb, record.cpu_cores)

    async def _attach(self, record: SandboxRecord) -> AgentInstance:
        channel = await Channel.connect(self._sandboxes / record.id, SOCKET_NAME)
        try:
            instance = self._instance(record, channel)
            instance.group = ControlGroup.load(self._sandboxes / record.id)
            instance.memory_gb, instance.disk_gb = record.memory_gb, record.disk_size_gb
            argv = record.argv()
            begin: dict[str, Any] = {"op": "begin", "argv": None}
            if argv is not None:
                begin |= {"argv": argv, "env": self._environment(record, self._sandboxes / record.id / "root")}
                begin["cwd"] = self._working_directory(self._sandboxes / record.id / "root")
            if self._cgroups is None:
                begin["memory"] = int(record.memory_gb * 1024**3)
            if record.timeout_minutes > 0:
                begin["lifetime"] = record.timeout_minutes * 60 + _GRACE_SECONDS
            (await channel.ask(begin)).close()
            self._instances[record.id] = instance
            await self._begun(record, channel)
            await channel.send({"op": "watch"})
        except BaseException:
            self._instances.pop(record.id, None)
            channel.close()
            raise
        return instance

    async def _begun(self, record: SandboxRecord, channel: Channel) -> None:
        """Get what the agent of a sandbox that has begun has for the platform."""

    async def _end(self, sandbox_id: str, directory: Path) -> None:
        if sys.platform != "linux":
            await self._terminate(directory, None)
            return
        if (found := await find_agent(directory)) is None:
            return
        agent, fd = found
        try:
            await self._terminate(directory, agent)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            # Killing the first process of a process namespace kills the others, and waits for them.
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await readable(fd)
            except TimeoutError as error:
                raise DriverError(f"The processes of {sandbox_id} do not end.") from error
        finally:
            os.close(fd)


def _clear_away(directory: Path, child: int | None) -> None:
    """Remove what a sandbox whose processes have ended leaves behind."""
    if child is not None:
        reap(child)
    if (group := ControlGroup.load(directory)) is not None:
        group.remove()
    remove_tree(directory)
