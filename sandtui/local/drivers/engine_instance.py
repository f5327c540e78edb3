"""A container as a sandbox: commands through the engine, files through commands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import tempfile
from typing import Any, Final

from sandtui.local.drivers.base import Command, DriverError, Ending, FileFailed, PortClosed, SandboxGone
from sandtui.local.drivers.engine_api import EngineApi
from sandtui.local.drivers.engine_command import EngineCommand
from sandtui.local.drivers.engine_relay import relayed

DIAL_SECONDS: Final = 5.0
_NOT_OFFERED: Final = "The container engine driver has no file service; use commands, uploads and downloads."
# Each reports an error by its exit code, since there is no other channel.
_READ: Final = (
    'if [ -d "$1" ]; then exit 21; elif [ ! -e "$1" ]; then exit 2; elif [ ! -f "$1" ]; then exit 22; '
    'elif [ ! -r "$1" ]; then exit 13; fi; exec cat -- "$1"'
)
_WRITE: Final = (
    'if [ -d "$1" ]; then exit 21; fi; d=$(dirname -- "$1"); mkdir -p -- "$d" 2> /dev/null || exit 20; '
    'cat > "$2" 2> /dev/null || exit 28'
)
_COMMIT: Final = 'chmod 644 -- "$2"; mv -f -- "$2" "$1" || exit 13'
_OOM: Final = "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2> /dev/null"
_CHUNK: Final = 1024 * 1024


class EngineInstance:
    """A running container."""

    def __init__(self, api: EngineApi, container: str, env: dict[str, str], cwd: str, memory_gb: float) -> None:
        self._api = api
        self._container = container
        self._env = env
        self._cwd = cwd
        self._memory_gb = memory_gb
        self._over = asyncio.Event()

    async def run(self, command: Command) -> EngineCommand:
        """Start a command."""
        env = {**self._env, **command.env}
        return await EngineCommand.start(self._api, self._container, command, env, command.cwd or self._cwd)

    async def open_read(self, path: str) -> SpooledFile:
        """Read a file out of the container into a temporary file."""
        target = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            code = await self._pipe([_READ, path], target=target)
            if code:
                raise FileFailed(code if code in errno.errorcode else errno.EIO, os.strerror(code))
            return SpooledFile(target)
        except BaseException:
            target.close()
            raise

    async def open_write(self, path: str) -> EngineWriteFile:
        """Write a temporary file beside its target."""
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name[:200]}.{secrets.token_hex(6)}"
        running = await self.run(Command(["/bin/sh", "-c", _WRITE, "sh", path, temporary], stdin=True, cwd="/"))
        return EngineWriteFile(self, running, path, temporary)

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Refuse: this needs an agent."""
        raise FileFailed(errno.ENOSYS, _NOT_OFFERED)

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        """Refuse: this needs an agent."""
        raise FileFailed(errno.ENOSYS, _NOT_OFFERED)

    async def listen(self, port: int) -> socket.socket:
        """Refuse: this needs an agent."""
        raise FileFailed(errno.ENOSYS, "The container engine driver cannot listen in a sandbox.")

    async def dial(self, port: int) -> socket.socket:
        """Connect to a port at the container's address."""
        found = await self._api.call("GET", f"/containers/{self._container}/json")
        settings = found.get("NetworkSettings", {})
        networks = (settings.get("Networks") or {}).values()
        addresses = [settings.get("IPAddress"), *(network.get("IPAddress") for network in networks)]
        address = next((one for one in addresses if one), None)
        if address is None:
            raise PortClosed("The container has no network, so its ports cannot be reached.")
        try:
            if self._api.link.address.is_here:
                return await _connect(str(address), port)
            async with asyncio.timeout(DIAL_SECONDS):
                return await relayed(*await self._api.link.open_port(str(address), port))
        except DriverError as error:
            raise PortClosed(str(error)) from error
        except (OSError, TimeoutError) as error:
            raise PortClosed(f"Nothing in the sandbox listens on port {port} of its address {address}.") from error

    async def exceeded_limits(self) -> bool:
        """Return whether a process of the container was killed for lack of memory."""
        if not self._over.is_set():
            with contextlib.suppress(DriverError):
                text = await self.output(_OOM)
                counts = [line.split()[1] for line in text.splitlines() if line.startswith("oom_kill ")]
                if any(count != "0" for count in counts):
                    self._over.set()
        return self._over.is_set()

    async def ended(self) -> Ending:
        """Wait until the container ends."""
        waiting = asyncio.ensure_future(self._api.call("POST", f"/containers/{self._container}/wait", wait=True))
        over = asyncio.ensure_future(self._over.wait())
        text = f"The sandbox exceeded its {self._memory_gb:g} GB of memory."
        try:
            await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return Ending(137, "OOM_KILLED", text)
            code = int(waiting.result().get("StatusCode", 0))
            state = (await self._api.call("GET", f"/containers/{self._container}/json"))["State"]
            if state.get("OOMKilled"):
                return Ending(137, "OOM_KILLED", text)
            return Ending(code)
        except DriverError as error:
            return Ending(None, None, f"The container no longer exists: {error}")
        finally:
            for task in (waiting, over):
                task.cancel()
            await asyncio.wait({waiting, over})

    async def output(self, script: str) -> str:
        """Run a script as root and return its output."""
        running = await self.run(Command(["/bin/sh", "-c", script], cwd="/", user="0"))
        try:
            parts = [chunk async for chunk in running.output("stdout")]
            return b"".join(parts).decode("utf-8", "replace")
        finally:
            running.close()

    async def finish(self, path: str, temporary: str, script: str = _COMMIT) -> int:
        """Run the last step of a write and return its exit code."""
        return await self._pipe([script, path, temporary])

    async def _pipe(self, arguments: list[str], target: Any = None) -> int:
        script, *rest = arguments
        running = await self.run(Command(["/bin/sh", "-c", script, "sh", *rest], cwd="/"))
        try:
            async for chunk in running.output("stdout"):
                if target is not None:
                    await asyncio.to_thread(target.write, chunk)
            return await running.wait()
        finally:
            running.close()


async def _connect(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class SpooledFile:
    """A file that was read out of a container."""

    def __init__(self, file: Any) -> None:
        self._file = file
        file.flush()
        self.size = os.fstat(file.fileno()).st_size

    async def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from an offset."""
        return os.pread(self._file.fileno(), min(length, self.size), offset)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class EngineWriteFile:
    """A temporary file in a container that replaces its target on commit."""

    def __init__(self, instance: EngineInstance, running: EngineCommand, path: str, temporary: str) -> None:
        self._instance = instance
        self._running = running
        self._path = path
        self._temporary = temporary
        self._done = False

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        try:
            for start in range(0, len(data), _CHUNK):
                await self._running.write(data[start : start + _CHUNK])
        except OSError as error:
            await self._raise(await self._running.wait())
            raise SandboxGone("The container closed the connection.") from error

    async def commit(self) -> None:
        """Move the file to its target."""
        self._running.close_input()
        await self._raise(await self._running.wait())
        await self._raise(await self._instance.finish(self._path, self._temporary))
        self._done = True

    def close(self) -> None:
        """Close the file; unless it was committed, it is removed."""
        self._running.close()
        if not self._done:
            task = asyncio.ensure_future(self._instance.finish(self._path, self._temporary, 'rm -f -- "$2"'))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _raise(self, code: int) -> None:
        if code:
            self._done = code == errno.EISDIR
            raise FileFailed(code if code in errno.errorcode else errno.EIO, os.strerror(code))
