"""A dashboard that runs in a terminal of its own and outlives the tabs that show it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from sandtui.web.channel import VARIABLE, WebChannel, pair
from sandtui.web.screen import SessionScreen
from sandtui.web.viewer import WebViewer

READ_SIZE: Final = 64 * 1024

HANG_UP_SECONDS: Final = 8.0
"""How long a dashboard has to save its state when it is ended."""

MAX_TYPED: Final = 4 * 1024 * 1024
"""The most bytes of input that a dashboard has not read yet."""

FOCUS_IN, FOCUS_OUT = b"\x1b[I", b"\x1b[O"

SIZES: Final = (20, 500, 5, 200)
"""The smallest and largest width and height."""


class WebSession:
    """One dashboard. ``on_message`` gets what it sends beside the terminal, ``on_end`` is called when it has ended."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        size: tuple[int, int],
        on_message: Callable[[dict[str, Any]], object],
        on_end: Callable[[WebSession], object],
    ) -> None:
        self.viewers: list[WebViewer] = []
        self.exit_code: int | None = None
        self._command, self._environ = command, environ
        self._size = within_bounds(*size)
        self._screen = SessionScreen(self._size)
        self._on_end = on_end
        self._master = -1
        self._process: asyncio.subprocess.Process | None = None
        self._typed = bytearray()
        self._typed_less = asyncio.Event()
        self._own_end, self._its_end = pair()
        self.channel = WebChannel(self._own_end, on_message)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self._size

    async def redraw(self) -> bytes:
        """Return the bytes that draw what it shows now."""
        return await self._screen.redraw()

    @property
    def owner(self) -> WebViewer | None:
        """The tab whose keys count."""
        return next((viewer for viewer in self.viewers if viewer.owns), None)

    @property
    def untyped(self) -> int:
        """Bytes of input that the dashboard has not read yet."""
        return len(self._typed)

    @property
    def pid(self) -> int:
        """The process of the dashboard."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Start the dashboard.

        Raises:
            OSError: it cannot be started.
        """
        master, slave = pty.openpty()
        try:
            _set_size(master, self._size)
            environ = {**self._environ, VARIABLE: str(self._its_end.fileno())}
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
                pass_fds=[self._its_end.fileno()],
            )  # fmt: skip
        except BaseException:
            os.close(master)
            self._own_end.close()
            raise
        finally:
            os.close(slave)
            self._its_end.close()
        os.set_blocking(master, False)
        self._master = master
        await self.channel.open()
        asyncio.get_running_loop().add_reader(master, self._readable)
        self._spawn(self._watch())

    # Tabs

    def attach(self, viewer: WebViewer) -> None:
        """Add a tab; if it owns the session, its predecessor no longer does."""
        if viewer.owns and (before := self.owner) is not None:
            before.owns = False
            self.viewers.remove(before)
            before.end({"type": "taken" if before.tab != viewer.tab else "replaced"})
        was_alone = not self.viewers
        self.viewers.append(viewer)
        columns, lines = self._size
        viewer.tell({"type": "attached", "owns": viewer.owns, "columns": columns, "lines": lines})
        viewer.send_redraw()
        if was_alone:
            self._spawn(self._tell_focus(FOCUS_IN, is_seen=True))

    def detach(self, viewer: WebViewer) -> None:
        """Remove a tab; when nobody looks any more, the dashboard knows and asks the platform less."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
        if not self.viewers:
            self._spawn(self._tell_focus(FOCUS_OUT, is_seen=False))

    async def _tell_focus(self, data: bytes, *, is_seen: bool) -> None:
        if await self._screen.wants_focus() and bool(self.viewers) == is_seen:
            self._type(data)

    def tell(self, message: Mapping[str, object], *, owner_only: bool = False) -> None:
        """Send a message to the tabs."""
        for viewer in self.viewers:
            if viewer.owns or not owner_only:
                viewer.tell(message)

    # Input

    async def type(self, data: bytes) -> None:
        """Pass input to the dashboard; wait while it has not read what was typed before."""
        while len(self._typed) > MAX_TYPED // 2 and self.exit_code is None:
            self._typed_less.clear()
            await self._typed_less.wait()
        self._type(data)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal."""
        size = within_bounds(columns, lines)
        if size == self._size or self._master < 0:
            return
        self._size = size
        self._screen.resize(size)
        _set_size(self._master, size)
        self.tell({"type": "size", "columns": size[0], "lines": size[1]})

    # The end

    def hang_up(self) -> None:
        """Have the dashboard save its state and end."""
        self._spawn(self.end())

    async def end(self) -> None:
        """End the dashboard: let it save its state first."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGHUP, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(HANG_UP_SECONDS):
                    await process.wait()
                    return

    async def _watch(self) -> None:
        assert self._process is not None
        code = await self._process.wait()
        # What it started in its terminal ends with it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        while self._readable():
            pass
        self.exit_code = code
        self._close()
        await self.channel.close()
        self._on_end(self)

    def _close(self) -> None:
        if self._master >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            os.close(self._master)
            self._master = -1
        self._typed_less.set()
        self._screen.close()

    # The terminal

    def _readable(self) -> bool:
        """Read some output; return whether there was any."""
        if self._master < 0:
            return False
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            # The dashboard has closed its terminal; that it has ended is noticed by itself.
            asyncio.get_running_loop().remove_reader(self._master)
            return False
        for viewer in self.viewers:
            viewer.send(data)
        self._screen.feed(data)
        if not self._screen.has_room.is_set():
            asyncio.get_running_loop().remove_reader(self._master)
            self._spawn(self._wait_for_screen())
        return True

    async def _wait_for_screen(self) -> None:
        await self._screen.has_room.wait()
        if self._master >= 0:
            asyncio.get_running_loop().add_reader(self._master, self._readable)

    def _type(self, data: bytes) -> None:
        if self._master < 0:
            return
        self._typed += data
        self._write()

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        if self._master < 0:
            return
        with suppress(BlockingIOError, OSError):
            while self._typed:
                del self._typed[: os.write(self._master, self._typed[:4096])]
        if self._typed:
            loop.add_writer(self._master, self._write)
        else:
            loop.remove_writer(self._master)
        if len(self._typed) <= MAX_TYPED // 2:
            self._typed_less.set()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def within_bounds(columns: int, lines: int) -> tuple[int, int]:
    """Return a size that a dashboard and its terminal can have."""
    least_width, most_width, least_height, most_height = SIZES
    return max(least_width, min(columns, most_width)), max(least_height, min(lines, most_height))


def _set_size(master: int, size: tuple[int, int]) -> None:
    columns, lines = size
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
