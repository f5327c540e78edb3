"""One sandbox behind an agent: commands and files through its socket."""

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
    FileTrouble,
    PortClosed,
    SandboxGone,
)
from sandtui.local.drivers.cgroups import ControlGroup
from sandtui.local.drivers.channel import AgentResponse, Channel

SOCKET_NAME = "agent.sock"
DIAL_SECONDS = 10.0


class HostedInstance:
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

    async def run(self, command: Command) -> AgentCommand:
        """Start a command."""
        channel = await self._connect()
        try:
            try:
                reply = await channel.ask({"op": "exec", **self.describe(command)})
            except ProtocolError as error:
                raise CommandFailed(errno.E2BIG, os.strerror(errno.E2BIG)) from error
            raise_error(reply, CommandFailed)
            pid = reply.message.get("pid")
            return AgentCommand(channel, pid if isinstance(pid, int) else 0, streams(reply, command))
        except BaseException:
            channel.close()
            raise

    async def open_read(self, path: str) -> AgentReadFile:
        """Open a regular file within the sandbox."""
        with await self._connect() as channel:
            reply = await _ask_about(path, channel, {"op": "open_read", "path": self.inside(path)})
            raise_error(reply, FileTrouble)
            return AgentReadFile(regular_file(reply))

    async def open_write(self, path: str) -> AgentWriteFile:
        """Open a file within the sandbox for being replaced."""
        channel = await self._connect()
        try:
            reply = await _ask_about(path, channel, {"op": "open_write", "path": self.inside(path)})
            raise_error(reply, FileTrouble)
            return AgentWriteFile(channel, regular_file(reply))
        except BaseException:
            channel.close()
            raise

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Look at or change files."""
        if "to" in arguments:
            arguments["to"] = self.inside(arguments["to"])
        with await self._connect() as channel:
            reply = await _ask_about(
                path, channel, {"op": "files", "call": call, "path": self.inside(path), **arguments}
            )
            raise_error(reply, FileTrouble)
            reply.close()
            return reply.message

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        """Open a regular file."""
        with await self._connect() as channel:
            reply = await _ask_about(
                path, channel, {"op": "open", "path": self.inside(path), "flags": flags, "mode": mode}
            )
            raise_error(reply, FileTrouble)
            fd = regular_file(reply)
            reply.fds.clear()
            return fd

    async def network(self) -> tuple[int, str]:
        """Return the descriptor from which the sandbox' packets come, the caller's to close, and its kind of link."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "network"})
            raise_error(reply, FileTrouble)
            return network_device(reply)

    async def listen(self, port: int) -> socket.socket:
        """Listen on a port of the sandbox."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "listen", "port": port})
            raise_error(reply, FileTrouble)
            return connection(reply)

    async def dial(self, port: int) -> socket.socket:
        """Connect to a port of the sandbox."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "dial", "port": port}, DIAL_SECONDS)
            if "error" in reply.message:
                reply.close()
                raise PortClosed(f"Nothing in the sandbox listens on port {port}.")
            return connection(reply)

    async def ended(self) -> Ending:
        """Wait until the start command or the agent itself ends, or memory runs out."""
        watching = asyncio.ensure_future(self._agent_ended())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({watching, over}, return_when=asyncio.FIRST_COMPLETED)
            self.check_memory()
            if self._over.is_set():
                if self._over_disk:
                    text = f"The sandbox used more than its {self.disk_gb:g} GB of disk, or too many files."
                    return Ending(137, "DISK_FULL", text)
                return Ending(137, "OOM_KILLED", f"The sandbox used more than its {self.memory_gb:g} GB of memory.")
            return watching.result()
        finally:
            for task in (watching, over):
                task.cancel()
            await asyncio.wait({watching, over})

    def check_memory(self) -> bool:
        """Return whether the sandbox has gone over its memory; then it is at its end."""
        if not self._over.is_set() and self.group is not None and self.group.oom_kills():
            self._over.set()
        return self._over.is_set()

    async def overran(self) -> bool:
        """Return whether the sandbox has gone over its memory or disk, asking those who know."""
        with contextlib.suppress(SandboxGone):
            with await self._connect() as channel:
                reply = await channel.ask({"op": "check_memory"})
                reply.close()
            self._note_over(reply.message)
        return self.check_memory()

    def _note_over(self, state: dict[str, Any]) -> None:
        if state.get("over"):
            self._over_disk = state.get("of") == "disk"
            self._over.set()

    async def _agent_ended(self) -> Ending:
        try:
            while True:
                reply = await self._watch.receive()
                reply.close()
                self._note_over(reply.message)
                if (ending := ending_of(reply.message)) is not None:
                    return ending
        except SandboxGone:
            return Ending(None, None, "The sandbox's first process died.")

    def inside(self, path: str) -> str:
        """Return the path by which the agent knows a file."""
        return path

    def describe(self, command: Command) -> dict[str, Any]:
        """Return a command as the agent reads it."""
        return {
            "argv": list(command.argv),
            "env": {**self._env, **command.env},
            "cwd": command.cwd or self._cwd,
            "user": command.user,
            "stdin": command.stdin,
            "pty": None if command.pty is None else list(command.pty),
        }

    def close(self) -> None:
        """Stop watching; the sandbox itself goes on."""
        self._watch.close()

    async def _connect(self) -> Channel:
        return await Channel.connect(self._directory, SOCKET_NAME)


async def _ask_about(path: str, channel: Channel, message: dict[str, Any]) -> AgentResponse:
    try:
        return await channel.ask(message)
    except ProtocolError as error:
        # Only a path can make such a message too long.
        raise FileTrouble(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)) from error


def ending_of(state: dict[str, Any]) -> Ending | None:
    """Return how the start command ended, if it did."""
    result = state.get("start_exit")
    if not isinstance(result, dict):
        return None
    message = str(result["error"]) if "error" in result else None
    return Ending(exit_code(result), None, message)
