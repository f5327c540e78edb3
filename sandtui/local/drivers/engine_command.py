"""One command in a container: an exec of the engine, with demultiplexed streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from sandtui.local.drivers.base import Command, CommandFailed, DriverError, SandboxGone, Stream
from sandtui.local.drivers.engine_api import EngineApi, EngineError
from sandtui.local.drivers.engine_links import EngineReader, EngineWriter

# The first line on stderr (or the terminal) is the pid in the container; the engine only reports the machine's.
_WRAPPER: Final = 'echo $$ >&2; exec "$@"'
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = (0.02, 0.5)
_CHUNK: Final = 65536
_QUEUE: Final = 64


class EngineCommand:
    """A command that runs in a container."""

    def __init__(self, api: EngineApi, container: str, command: Command) -> None:
        self._api = api
        self._container = container
        self._command = command
        self._id = ""
        self._reader: EngineReader
        self._writer: EngineWriter
        self._queues: dict[str, asyncio.Queue[bytes]] = {name: asyncio.Queue(_QUEUE) for name in ("stdout", "stderr")}
        self._splitting: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self.pid = 0

    @classmethod
    async def start(
        cls, api: EngineApi, container: str, command: Command, env: dict[str, str], cwd: str
    ) -> EngineCommand:
        """Start a command and return once it runs."""
        self = cls(api, container, command)
        body: dict[str, Any] = {
            "AttachStdin": command.stdin or command.pty is not None,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": command.pty is not None,
            "Cmd": ["/bin/sh", "-c", _wrapper(command.pty), "sh", *command.argv],
            "Env": [f"{key}={value}" for key, value in env.items()],
            "WorkingDir": cwd,
        }
        if command.user:
            body["User"] = command.user
        try:
            response = await api.call("POST", f"/containers/{container}/exec", json=body)
            self._id = str(response["Id"])
            start = {"Detach": False, "Tty": body["Tty"]}
            self._reader, self._writer = await api.hijack(f"/exec/{self._id}/start", start)
        except EngineError as error:
            if error.status in (404, 409) and "container" in str(error).lower():
                raise SandboxGone(str(error)) from error
            raise CommandFailed(2, str(error)) from error
        self._splitting = asyncio.create_task(self._split(), name="engine command")
        try:
            await self._read_pid()
            if command.pty is not None:
                self.resize(*command.pty)
        except BaseException:
            self.close()
            raise
        return self

    async def output(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield what the command writes to one stream."""
        queue = self._queues[stream]
        while chunk := await queue.get():
            yield chunk
        queue.put_nowait(b"")

    async def wait(self) -> int:
        """Return the exit code."""
        pause, longest = _POLL_SECONDS
        while True:
            try:
                found = await self._api.call("GET", f"/exec/{self._id}/json")
            except EngineError as error:
                raise SandboxGone("The container no longer exists.") from error
            if not found.get("Running") and found.get("ExitCode") is not None:
                code = int(found["ExitCode"])
                return 128 - code if code < 0 else code
            if self._ended.is_set():
                await asyncio.sleep(pause)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._ended.wait()
            pause = min(pause * 1.5, longest)

    async def kill(self, signal: int) -> None:
        """Send a signal to the process group of the command."""
        await kill_group(self._api, self._container, self.pid, signal)

    async def write(self, data: bytes) -> None:
        """Write to the input or the terminal."""
        self._writer.write(data)
        await self._writer.drain()

    def close_input(self) -> None:
        """Close the input."""
        if self._command.pty is None:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.write_eof()

    def resize(self, cols: int, rows: int) -> None:
        """Resize the terminal."""

        async def change() -> None:
            with contextlib.suppress(DriverError):
                await self._api.call("POST", f"/exec/{self._id}/resize", params={"h": rows, "w": cols})

        _keep(asyncio.ensure_future(change()))

    def close(self) -> None:
        """Close the streams; kill the command if it still runs."""
        if self._splitting is not None:
            self._splitting.cancel()
        self._writer.close()
        if self.pid and not self._ended.is_set():
            _keep(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        with contextlib.suppress(DriverError):
            found = await self._api.call("GET", f"/exec/{self._id}/json")
            if found.get("Running"):
                await self.kill(9)

    async def _read_pid(self) -> None:
        stream = "stdout" if self._command.pty is not None else "stderr"
        seen = b""
        try:
            async with asyncio.timeout(_START_SECONDS):
                while b"\n" not in seen:
                    chunk = await self._queues[stream].get()
                    if not chunk:
                        raise CommandFailed(2, seen.decode("utf-8", "replace").strip() or "it did not start")
                    seen += chunk
        except TimeoutError as error:
            raise DriverError("The container engine did not start the command.") from error
        line, _, rest = seen.partition(b"\n")
        if not line.strip().isdigit():
            raise CommandFailed(2, seen.decode("utf-8", "replace").strip())
        self.pid = int(line)
        if rest:
            # Nothing else reads yet, so the rest can go back to the front.
            queue = self._queues[stream]
            waiting = [queue.get_nowait() for _ in range(queue.qsize())]
            for chunk in [rest, *waiting]:
                queue.put_nowait(chunk)

    async def _split(self) -> None:
        """Demultiplex the streams; a slow reader slows the command down."""
        try:
            if self._command.pty is not None:
                while chunk := await self._reader.read(_CHUNK):
                    await self._queues["stdout"].put(chunk)
            else:
                while True:
                    head = await self._reader.readexactly(8)
                    left = int.from_bytes(head[4:], "big")
                    while left:
                        chunk = await self._reader.read(min(left, _CHUNK))
                        if not chunk:
                            raise asyncio.IncompleteReadError(b"", left)
                        left -= len(chunk)
                        await self._queues["stderr" if head[0] == 2 else "stdout"].put(chunk)
        except (asyncio.IncompleteReadError, OSError):
            pass  # both sides end this way
        self._ended.set()
        for queue in self._queues.values():
            await queue.put(b"")


def _wrapper(pty: tuple[int, int] | None) -> str:
    # The engine sets the terminal size only after the start, too late for a program that reads it at once.
    return _WRAPPER if pty is None else f"stty cols {pty[0]} rows {pty[1]} 2> /dev/null; {_WRAPPER}"


async def kill_group(api: EngineApi, container: str, pid: int, signal: int) -> None:
    """Send a signal to a process group in a container."""
    body = {"Cmd": ["/bin/sh", "-c", f"kill -{int(signal)} -- -{int(pid)}"], "User": "0"}
    with contextlib.suppress(EngineError):
        response = await api.call("POST", f"/containers/{container}/exec", json=body)
        await api.call("POST", f"/exec/{response['Id']}/start", json={"Detach": True})


_running: set[asyncio.Future[Any]] = set()


def _keep(task: asyncio.Future[Any]) -> None:
    _running.add(task)
    task.add_done_callback(_running.discard)
