"""Plain processes, the last resort: the same agent, a directory of its own, no isolation at all."""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import shlex
import signal
import stat
import sys
from pathlib import Path
from typing import Any

from sandtui.local.agent.usr_local import PLACE, Python, make_environment
from sandtui.local.drivers.agent_files import AgentReadFile
from sandtui.local.drivers.agent_instance import SOCKET_NAME, HostedInstance
from sandtui.local.drivers.agent_processes import PATH, reap
from sandtui.local.drivers.agents import HOME, MARKER, WORKING_DIRECTORY, AgentDriver
from sandtui.local.drivers.architecture import refuse_other_architecture
from sandtui.local.drivers.base import Command, FileTrouble, Refused, SandboxGone
from sandtui.local.drivers.channel import Channel
from sandtui.local.drivers.egress_check import refuse_egress_rules
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.store.records import SandboxRecord

_DIRECTORIES = ("app", "data", "home", "root", "sandbox-workspace", "tmp", "var/tmp", "workspace")
_SHUTDOWN_SECONDS = 5.0
# Background jobs of the SDKs write to the real /tmp here, and their state is read back as a file.
_JOB_FILE = re.compile(r"/tmp/job_[0-9a-f]{8}\.(exit|stdout\.log|stderr\.log)")  # noqa: S108


class ProcessDriver(AgentDriver):
    """Each sandbox is a directory and a group of processes."""

    name = "process"

    @property
    def isolation(self) -> str:  # type: ignore[override]
        """Say what is not kept apart: nearly everything."""
        return (
            "plain processes: NOT isolated. Commands run as you, on your files and your network; "
            f"only uploads and downloads stay within the sandbox's own directory; {self._limits}."
        )

    @property
    def warning(self) -> str:  # type: ignore[override]
        """What everyone who starts or uses the platform has to know."""
        return (
            "Sandboxes are plain processes of this machine, NOT isolated: they run as you, on your files and network."
        )

    def check(self, record: SandboxRecord) -> None:
        """Refuse what can't be honoured."""
        refuse_other_architecture(record.arch)
        self.check_egress(record)
        if record.gpu_count:
            raise Refused("gpu_count", "this local platform has no GPUs to give")

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Refuse all but the machine's whole network."""
        if not record.network_access:
            raise Refused(
                "network_access",
                "can't be false here: this platform runs plain processes, which all have the machine's network",
            )
        refuse_egress_rules(record)

    async def discard(self, sandbox_id: str) -> None:
        """End every process of a sandbox and remove its files."""
        # What an agent that died too early left behind could fill the directory while it is removed.
        await asyncio.to_thread(_kill_marked, sandbox_id)
        await super().discard(sandbox_id)
        await asyncio.to_thread(_kill_marked, sandbox_id)

    async def _isolation(self, record: SandboxRecord, root: Path) -> None:
        await asyncio.to_thread(self._lay_out, root)

    def _lay_out(self, root: Path) -> None:
        for name in _DIRECTORIES:
            (root / name).mkdir(parents=True, exist_ok=True)
        top = f"{root}{PLACE}"
        Path(top).mkdir(parents=True)
        make_environment(top, Python(**machine_python()), place=top)
        # A login shell resets PATH.
        for profile in (".profile", ".zprofile"):
            (root / HOME.lstrip("/") / profile).write_text(f'PATH={shlex.quote(f"{top}/bin")}:"$PATH"\n')

    def _environment(self, record: SandboxRecord, root: Path) -> dict[str, str]:
        return {
            **super()._environment(record, root),
            "PATH": f"{root}{PLACE}/bin:{PATH}",
            "HOME": f"{root}{HOME}",
            "TMPDIR": f"{root}/tmp",  # noqa: S108
            **record.environment(),
        }

    def _working_directory(self, root: Path) -> str:
        return f"{root}{WORKING_DIRECTORY}"

    def _instance(self, record: SandboxRecord, watch: Channel) -> HostedInstance:
        directory = self._sandboxes / record.id
        root = directory / "root"
        env = self._environment(record, root)
        return _PlainInstance(directory, env, self._working_directory(root), watch)

    async def _terminate(self, sandbox_id: str, directory: Path) -> None:
        # Only the agent knows its orphans; it ends them one and all before it goes.
        try:
            with await Channel.connect(directory, SOCKET_NAME) as channel:
                await channel.ask({"op": "shutdown"}, _SHUTDOWN_SECONDS)
        except SandboxGone:
            return


class _PlainInstance(HostedInstance):
    """Paths of the sandbox mean its directory where it has them, else the machine's."""

    def describe(self, command: Command) -> dict[str, Any]:
        """Return a command as the agent reads it."""
        described = super().describe(command)
        if command.cwd is not None:
            inside = f"{self._directory}/root{posixpath.normpath('/' + command.cwd)}"
            outside = Path(command.cwd)
            described["cwd"] = inside if Path(inside).is_dir() or not outside.is_dir() else command.cwd
        return described

    def inside(self, path: str) -> str:
        """Return a path within the sandbox's directory: commands know it by the machine's path, uploads need not."""
        for root in (f"{self._directory}/root", os.path.realpath(self._directory / "root")):
            if f"{path}/".startswith(f"{root}/"):
                return path.removeprefix(root) or "/"
        return path

    async def open_read(self, path: str) -> AgentReadFile:
        """Open a regular file within the sandbox's directory."""
        try:
            return await super().open_read(path)
        except FileTrouble:
            if not _JOB_FILE.fullmatch(path):
                raise
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                pass
            else:
                found = os.fstat(fd)
                if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                    return AgentReadFile(fd)
                os.close(fd)
            raise


def _kill_marked(sandbox_id: str) -> None:
    """Kill what an agent that died too early left behind: each process carries its sandbox's id."""
    if sys.platform != "linux":
        return
    mark = f"{MARKER}={sandbox_id}".encode()
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                if mark not in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    continue
                os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue
            reap(int(entry.name))
