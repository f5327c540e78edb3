"""Plain processes, the last resort: the same agent and a directory per sandbox, without isolation."""

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
from sandtui.local.drivers.agent_instance import SOCKET_NAME, AgentInstance
from sandtui.local.drivers.agent_processes import PATH, reap
from sandtui.local.drivers.agents import HOME, MARKER, WORKING_DIRECTORY, AgentDriver
from sandtui.local.drivers.architecture import refuse_hardware
from sandtui.local.drivers.base import Command, FileFailed, Refused, SandboxGone
from sandtui.local.drivers.channel import Channel
from sandtui.local.drivers.egress_check import refuse_egress_rules
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.store.records import SandboxRecord

_DIRECTORIES = ("app", "data", "home", "root", "sandbox-workspace", "tmp", "var/tmp", "workspace")
_SHUTDOWN_SECONDS = 5.0
# Background jobs of the SDKs write to the real /tmp here, and their state is read as a file.
_JOB_FILE = re.compile(r"/tmp/job_[0-9a-f]{8}\.(exit|stdout\.log|stderr\.log)")  # noqa: S108


class ProcessDriver(AgentDriver):
    """Runs each sandbox as a directory and a group of processes."""

    name = "process"

    @property
    def isolation(self) -> str:  # type: ignore[override]
        """Describe what is not isolated, which is nearly everything."""
        return (
            "plain processes: NOT isolated. Commands run as you, on your files and your network; "
            f"only uploads and downloads stay within the sandbox's own directory; {self._limits}."
        )

    @property
    def warning(self) -> str:  # type: ignore[override]
        """What all users of the platform must know about its isolation."""
        return (
            "Sandboxes are plain processes of this machine, NOT isolated: they run as you, on your files and network."
        )

    def check(self, record: SandboxRecord) -> None:
        """Refuse what the driver does not support."""
        refuse_hardware(record)
        self.check_egress(record)

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Refuse everything but unrestricted network access."""
        if not record.network_access:
            raise Refused(
                "network_access",
                "cannot be false: this platform runs plain processes, which all have the machine's network",
            )
        refuse_egress_rules(record)

    async def discard(self, sandbox_id: str) -> None:
        """End all processes of a sandbox and remove its files."""
        # Processes left by an agent that died early could fill the directory while it is removed.
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
        # Login shells reset PATH.
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

    def _instance(self, record: SandboxRecord, watch: Channel) -> AgentInstance:
        directory = self._sandboxes / record.id
        root = directory / "root"
        env = self._environment(record, root)
        return _PlainInstance(directory, env, self._working_directory(root), watch)

    async def _terminate(self, directory: Path, agent: int | None) -> None:
        # Only the agent knows its orphans; it ends all of them before it exits.
        try:
            with await Channel.connect(directory, SOCKET_NAME) as channel:
                await channel.ask({"op": "shutdown"}, _SHUTDOWN_SECONDS)
        except SandboxGone:
            return


class _PlainInstance(AgentInstance):
    """Maps paths into the sandbox's directory if they exist there, and otherwise to the machine."""

    def describe(self, command: Command) -> dict[str, Any]:
        """Return a command in the form that the agent reads."""
        described = super().describe(command)
        if command.cwd is not None:
            inside = f"{self._directory}/root{posixpath.normpath('/' + command.cwd)}"
            outside = Path(command.cwd)
            described["cwd"] = inside if Path(inside).is_dir() or not outside.is_dir() else command.cwd
        return described

    def inside(self, path: str) -> str:
        """Return a path relative to the sandbox's directory: commands use machine paths, uploads need not."""
        for root in (f"{self._directory}/root", os.path.realpath(self._directory / "root")):
            if f"{path}/".startswith(f"{root}/"):
                return path.removeprefix(root) or "/"
        return path

    async def open_read(self, path: str) -> AgentReadFile:
        """Open a regular file in the sandbox's directory."""
        try:
            return await super().open_read(path)
        except FileFailed:
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
    """Kill the processes left by an agent that died early; each has its sandbox's id in its environment."""
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
