"""One sandbox behind an agent: commands and files through its socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
import termios
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

from sandtui.local.drivers.base import (
    Command,
    CommandFailed,
    Ending,
    FileTrouble,
    PortClosed,
    SandboxGone,
    Stream,
)
from sandtui.local.drivers.cgroups import Group
from sandtui.local.drivers.channel import Channel, Reply
from sandtui.local.readiness import readable, writable

SOCKET_NAME = "agent.sock"
DIAL_SECONDS = 10.0
_CHUNK = 65536

_T = TypeVar("_T")


class HostedInstance:
    """A sandbox whose agent listens in ``directory``."""

    def __init__(self, directory: Path, env: dict[str, str], cwd: str, watch: Channel) -> None:
        self._directory = directory
        self._env = env
        self._cwd = cwd
        self._watch = watch
        self._over = asyncio.Event()
        self.group: Group | None = None
        self.memory_gb = 0.0

    async def run(self, command: Command) -> AgentCommand:
        """Start a command."""
        channel = await self._connect()
        try:
            reply = await channel.ask({"op": "exec", **self.describe(command)})
            _raise(reply, CommandFailed)
            pid = reply.message.get("pid")
            return AgentCommand(channel, pid if isinstance(pid, int) else 0, _streams(reply, command))
        except BaseException:
            channel.close()
            raise

    async def open_read(self, path: str) -> AgentReadFile:
        """Open a regular file within the sandbox."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "open_read", "path": path})
            _raise(reply, FileTrouble)
            return AgentReadFile(_regular(reply))

    async def open_write(self, path: str) -> AgentWriteFile:
        """Open a file within the sandbox for being replaced."""
        channel = await self._connect()
        try:
            reply = await channel.ask({"op": "open_write", "path": path})
            _raise(reply, FileTrouble)
            return AgentWriteFile(channel, _regular(reply))
        except BaseException:
            channel.close()
            raise

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Look at or change files."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "files", "call": call, "path": path, **arguments})
            _raise(reply, FileTrouble)
            reply.close()
            return reply.message

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        """Open a regular file."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "open", "path": path, "flags": flags, "mode": mode})
            _raise(reply, FileTrouble)
            fd = _regular(reply)
            reply.fds.clear()
            return fd

    async def network(self) -> int:
        """Return the descriptor of the sandbox' network device."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "network"})
            _raise(reply, FileTrouble)
            if len(reply.fds) != 1 or not stat.S_ISCHR(os.fstat(reply.fds[0]).st_mode):
                reply.close()
                raise SandboxGone("The sandbox's agent didn't send its network device.")
            return reply.fds.pop()

    async def listen(self, port: int) -> socket.socket:
        """Listen on a port of the sandbox."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "listen", "port": port})
            _raise(reply, FileTrouble)
            return _socket(reply)

    async def dial(self, port: int) -> socket.socket:
        """Connect to a port of the sandbox."""
        with await self._connect() as channel:
            reply = await channel.ask({"op": "dial", "port": port}, DIAL_SECONDS)
            if "error" in reply.message:
                reply.close()
                raise PortClosed(f"Nothing in the sandbox listens on port {port}.")
            return _socket(reply)

    async def ended(self) -> Ending:
        """Wait until the start command or the agent itself ends, or memory runs out."""
        watching = asyncio.ensure_future(self._agent_ended())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({watching, over}, return_when=asyncio.FIRST_COMPLETED)
            self.check_memory()
            if self._over.is_set():
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
        """Return whether the sandbox has gone over its memory, asking those who know."""
        if self.group is None:
            with contextlib.suppress(SandboxGone):
                with await self._connect() as channel:
                    reply = await channel.ask({"op": "check_memory"})
                    reply.close()
                if reply.message.get("over"):
                    self._over.set()
        return self.check_memory()

    async def _agent_ended(self) -> Ending:
        try:
            while True:
                reply = await self._watch.receive()
                reply.close()
                if reply.message.get("over"):
                    self._over.set()
                if (ending := ending_of(reply.message)) is not None:
                    return ending
        except SandboxGone:
            return Ending(None, None, "The sandbox's first process died.")

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


def ending_of(state: dict[str, Any]) -> Ending | None:
    """Return how the start command ended, if it did."""
    result = state.get("start_exit")
    if not isinstance(result, dict):
        return None
    message = str(result["error"]) if "error" in result else None
    return Ending(_exit_code(result), None, message)


class AgentCommand:
    """A command that an agent runs."""

    def __init__(self, channel: Channel, pid: int, fds: dict[str, int]) -> None:
        self._channel = channel
        self._fds = fds
        self.pid = pid
        for fd in fds.values():
            os.set_blocking(fd, False)

    async def output(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield what the command writes to one stream."""
        fd = self._fds.get(stream, self._fds.get("pty", -1))
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                await readable(fd)
                continue
            except OSError as error:
                # A terminal ends this way once its last process has.
                if error.errno == errno.EIO:
                    return
                raise
            if not data:
                return
            yield data

    async def write(self, data: bytes) -> None:
        """Write to the input or the terminal."""
        fd = self._fds.get("stdin", self._fds.get("pty", -1))
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await writable(fd)

    def close_input(self) -> None:
        """End the input."""
        fd = self._fds.pop("stdin", -1)
        if fd >= 0:
            os.close(fd)

    def resize(self, cols: int, rows: int) -> None:
        """Change the size of the terminal."""
        if "pty" in self._fds:
            fcntl.ioctl(self._fds["pty"], termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    async def wait(self) -> int:
        """Return the exit code."""
        reply = await self._channel.receive()
        reply.close()
        return _exit_code(reply.message)

    async def kill(self, signal: int) -> None:
        """Send a signal to the command's process group."""
        await self._channel.send({"op": "kill", "signal": signal})

    def close(self) -> None:
        """Let go of the command; the agent kills it if it still runs."""
        self._channel.close()
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}


class _File:
    """A descriptor used in threads; closing waits for a thread that still uses it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._work: asyncio.Future[Any] | None = None

    async def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        self._work = asyncio.ensure_future(asyncio.to_thread(function, self._fd, *arguments))
        try:
            return await asyncio.shield(self._work)
        except OSError as error:
            raise FileTrouble(error.errno or errno.EIO, error.strerror or str(error)) from error

    def _close_fd(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if self._work is None or self._work.done():
            os.close(fd)
        else:
            # The number must not be given to another file while a thread still writes to it.
            self._work.add_done_callback(lambda _: os.close(fd))


class AgentReadFile(_File):
    """A file that an agent opened for us."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.size = os.fstat(fd).st_size

    async def read(self, offset: int, length: int) -> bytes:
        """Return bytes from a place in the file."""
        return await self._in_thread(os.pread, length, offset)

    def close(self) -> None:
        """Let go of the file."""
        self._close_fd()


class AgentWriteFile(_File):
    """A file that an agent made beside its target."""

    def __init__(self, channel: Channel, fd: int) -> None:
        super().__init__(fd)
        self._channel = channel

    async def write(self, data: bytes) -> None:
        """Add bytes."""
        await self._in_thread(_write_all, data)

    async def commit(self) -> None:
        """Make the file durable and put it in its place."""
        await self._in_thread(os.fsync)
        _raise(await self._channel.ask({"op": "commit"}), FileTrouble)

    def close(self) -> None:
        """Let go of the file."""
        self._channel.close()
        self._close_fd()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _raise(reply: Reply, kind: type[CommandFailed] | type[FileTrouble]) -> None:
    if "error" in reply.message:
        reply.close()
        code = reply.message.get("errno")
        raise kind(code if isinstance(code, int) else 0, str(reply.message["error"])[:4000])


def _streams(reply: Reply, command: Command) -> dict[str, int]:
    if command.pty is not None:
        names, is_kind = ["pty"], stat.S_ISCHR
    else:
        names, is_kind = ["stdout", "stderr", "stdin"][: 3 if command.stdin else 2], stat.S_ISFIFO
    if len(reply.fds) != len(names) or not all(is_kind(os.fstat(fd).st_mode) for fd in reply.fds):
        reply.close()
        raise SandboxGone("The sandbox's agent didn't send the streams of the command.")
    return dict(zip(names, reply.fds, strict=True))


def _regular(reply: Reply) -> int:
    if len(reply.fds) != 1 or not stat.S_ISREG(os.fstat(reply.fds[0]).st_mode):
        reply.close()
        raise SandboxGone("The sandbox's agent didn't send a regular file.")
    return reply.fds[0]


def _socket(reply: Reply) -> socket.socket:
    if len(reply.fds) != 1 or not stat.S_ISSOCK(os.fstat(reply.fds[0]).st_mode):
        reply.close()
        raise SandboxGone("The sandbox's agent didn't send a connection.")
    sock = socket.socket(fileno=reply.fds.pop())
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        sock.close()
        raise SandboxGone("The sandbox's agent didn't send a connection.")
    sock.setblocking(False)
    return sock


def _exit_code(result: dict[str, Any]) -> int:
    signal, code = result.get("signal"), result.get("exit")
    if isinstance(signal, int):
        return 128 + signal
    if isinstance(code, int):
        return code
    raise SandboxGone("The sandbox's agent didn't say how the command ended.")
