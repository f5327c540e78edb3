"""A sandbox behind an agent: commands and files through the agent's socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import Any

from sandtui.local.agent.protocol import ProtocolError
from sandtui.local.drivers.agent_command import AgentCommand
from sandtui.local.drivers.agent_files import AgentReadFile, AgentWriteFile
from sandtui.local.drivers.agent_responses import (
    connection,
    exit_code,
    network_device,
    raise_error,
    regular_file,
    streams,
)
from sandtui.local.drivers.base import (
    Command,
    CommandFailed,
    Ending,
    FileFailed,
    PortClosed,
    SandboxGone,
)
from sandtui.local.drivers.cgroups import ControlGroup
from sandtui.local.drivers.channel import AgentResponse, Channel

SOCKET_NAME = "agent.sock"
DIAL_SECONDS = 10.0


class AgentInstance:
    """A sandbox whose agent listens in ``directory``."""

    def __init__(self, directory: Path, env: dict[str, str], cwd: str, watch: Channel) -> None:
        self._directory = directory
        self._env = env
        self._cwd = cwd
        self._watch = watch
        self._over = asyncio.Event()
        self._over_disk = False
        self.group: ControlGroup | None = None
        self.memory_gb = 0.0
        self.disk_gb = 0.0

    @property
    def agent_pid(self) -> int | None:
        """The pid of the first process, if the system reports it."""
        return self._watch.peer_pid

    async def run(self, command: Command) -> AgentCommand:
        """Start a command."""
        channel = await self._connect()
        try:
            try:
                response = await channel.ask({"op": "exec", **self.describe(command)})
            except ProtocolError as error:
                raise CommandFailed(errno.E2BIG, os.strerror(errno.E2BIG)) from error
            raise_error(response, CommandFailed)
            pid = response.message.get("pid")
            return AgentCommand(channel, pid if isinstance(pid, int) else 0, streams(response, command))
        except BaseException:
            channel.close()
            raise

    async def open_read(self, path: str) -> AgentReadFile:
        """Open a regular file inside the sandbox."""
        with await self._connect() as channel:
            response = await _ask_about(path, channel, {"op": "open_read", "path": self.inside(path)})
            raise_error(response, FileFailed)
            return AgentReadFile(regular_file(response))

    async def open_write(self, path: str) -> AgentWriteFile:
        """Open a file inside the sandbox for replacing it."""
        channel = await self._connect()
        try:
            response = await _ask_about(path, channel, {"op": "open_write", "path": self.inside(path)})
            raise_error(response, FileFailed)
            return AgentWriteFile(channel, regular_file(response))
        except BaseException:
            channel.close()
            raise

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Make a call of the agent's file service."""
        if "to" in arguments:
            arguments["to"] = self.inside(arguments["to"])
        with await self._connect() as channel:
            response = await _ask_about(
                path, channel, {"op": "files", "call": call, "path": self.inside(path), **arguments}
            )
            raise_error(response, FileFailed)
            response.close()
            return response.message

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        """Open a regular file with flags of open(2)."""
        with await self._connect() as channel:
            response = await _ask_about(
                path, channel, {"op": "open", "path": self.inside(path), "flags": flags, "mode": mode}
            )
            raise_error(response, FileFailed)
            fd = regular_file(response)
            response.fds.clear()
            return fd

    async def network(self) -> tuple[int, str]:
        """Return the descriptor of the network device, which the caller must close, and its kind."""
        with await self._connect() as channel:
            response = await channel.ask({"op": "network"})
            raise_error(response, FileFailed)
            return network_device(response)

    async def listen(self, port: int) -> socket.socket:
        """Listen on a port of the sandbox."""
        with await self._connect() as channel:
            response = await channel.ask({"op": "listen", "port": port})
            raise_error(response, FileFailed)
            return connection(response)

    async def dial(self, port: int) -> socket.socket:
        """Connect to a port of the sandbox."""
        with await self._connect() as channel:
            response = await channel.ask({"op": "dial", "port": port}, DIAL_SECONDS)
            if "error" in response.message:
                response.close()
                raise PortClosed(f"Nothing in the sandbox listens on port {port}.")
            return connection(response)

    async def ended(self) -> Ending:
        """Wait until the start command or the agent ends, or a limit is exceeded."""
        watching = asyncio.ensure_future(self._agent_ended())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({watching, over}, return_when=asyncio.FIRST_COMPLETED)
            self.check_memory()
            if self._over.is_set():
                if self._over_disk:
                    text = f"The sandbox exceeded its {self.disk_gb:g} GB of disk, or has too many files."
                    return Ending(137, "DISK_FULL", text)
                return Ending(137, "OOM_KILLED", f"The sandbox exceeded its {self.memory_gb:g} GB of memory.")
            return watching.result()
        finally:
            for task in (watching, over):
                task.cancel()
            await asyncio.wait({watching, over})

    def check_memory(self) -> bool:
        """Return whether the sandbox has exceeded its memory, and so is ending."""
        if not self._over.is_set() and self.group is not None and self.group.oom_kills():
            self._over.set()
        return self._over.is_set()

    async def exceeded_limits(self) -> bool:
        """Return whether the sandbox has exceeded its memory or disk, according to its cgroup and its agent."""
        with contextlib.suppress(SandboxGone):
            with await self._connect() as channel:
                response = await channel.ask({"op": "check_memory"})
                response.close()
            self._note_over(response.message)
        return self.check_memory()

    def _note_over(self, state: dict[str, Any]) -> None:
        if state.get("over"):
            self._over_disk = state.get("of") == "disk"
            self._over.set()

    async def _agent_ended(self) -> Ending:
        try:
            while True:
                response = await self._watch.receive()
                response.close()
                self._note_over(response.message)
                if (ending := ending_of(response.message)) is not None:
                    return ending
        except SandboxGone:
            return Ending(None, None, "The sandbox's first process died.")

    def inside(self, path: str) -> str:
        """Return the path under which the agent knows a file."""
        return path

    def describe(self, command: Command) -> dict[str, Any]:
        """Return a command in the form that the agent reads."""
        return {
            "argv": list(command.argv),
            "env": {**self._env, **command.env},
            "cwd": command.cwd or self._cwd,
            "user": command.user,
            "stdin": command.stdin,
            "pty": None if command.pty is None else list(command.pty),
        }

    def close(self) -> None:
        """Stop watching; the sandbox continues to run."""
        self._watch.close()

    async def _connect(self) -> Channel:
        return await Channel.connect(self._directory, SOCKET_NAME)


async def _ask_about(path: str, channel: Channel, message: dict[str, Any]) -> AgentResponse:
    try:
        return await channel.ask(message)
    except ProtocolError as error:
        # Only a path can make such a message too long.
        raise FileFailed(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)) from error


def ending_of(state: dict[str, Any]) -> Ending | None:
    """Return how the start command ended, or None if it has not."""
    result = state.get("start_exit")
    if not isinstance(result, dict):
        return None
    message = str(result["error"]) if "error" in result else None
    return Ending(exit_code(result), None, message)
