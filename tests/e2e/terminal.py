"""A terminal for tests: runs a program in a pseudo-terminal and keeps the screen that it draws."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

DEADLINE = 60.0

ALTERNATE = 1049

FILLING = b"\0"
"""Fills a terminal that is not read; the program writes none."""

RUNNING, ENDED = "●", "○"


def listed(sign: str, name: str) -> re.Pattern[str]:
    """Return the pattern of a line of the fleet, which has the word of a status only where there is room for it."""
    # The launch board has such lines too: there the step follows.
    return re.compile(rf"{sign}( [A-Z]+)? +{re.escape(name)}(?!.* ready )")


def lists(sign: str, name: str) -> Callable[[str], bool]:
    """Return whether a screen lists a sandbox."""
    return lambda text: listed(sign, name).search(text) is not None


def at_fleet(text: str) -> bool:
    """Return whether a screen is the fleet, with its hints: an empty one has none for a sandbox."""
    return "enter open" in text or ("No sandboxes yet" in text and "n new" in text)


KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "pagedown": "\x1b[6~",
    "ctrl+c": "\x03",
    "ctrl+n": "\x0e",
    "ctrl+q": "\x11",
    "ctrl+s": "\x13",
    "ctrl+t": "\x14",
    "ctrl+z": "\x1a",
}


class Terminal:
    """Use it with ``async with``; ``press`` keys, ``until`` the screen shows something."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        columns: int = 120,
        lines: int = 36,
        folder: Path | None = None,
        controls: bool = False,
    ) -> None:
        """``controls`` makes it the terminal of the program's session, as a window is: it sends signals."""
        self._command, self._env, self._folder = command, env, folder
        self._controls = controls
        self._screen = _Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        self._size = struct.pack("HHHH", lines, columns, 0, 0)
        self.raw = bytearray()
        self.received = 0

    async def __aenter__(self) -> Self:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, self._size)
        self.modes_before = termios.tcgetattr(self._slave)
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**self._env, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"},
            cwd=self._folder,
            start_new_session=True,
            preexec_fn=_take_control if self._controls else None,
        )
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self.hang_up()

    @property
    def text(self) -> str:
        """The screen as it is."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def resize(self, columns: int, lines: int) -> None:
        """Change the window; the program hears of it when the terminal ``controls`` it."""
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def modes(self) -> list[object]:
        """The terminal's modes."""
        return termios.tcgetattr(self._slave)

    @property
    def left(self) -> list[str]:
        """What still runs of all that was started in it."""
        return [name for name, session in _processes() if session == self.process.pid]

    async def is_empty(self) -> None:
        """Wait until nothing runs any more of all that was started in it."""
        try:
            async with asyncio.timeout(DEADLINE):
                while self.left:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"still there: {self.left}") from None

    def stall(self) -> None:
        """Take nothing more, as a window does whose output is held."""
        asyncio.get_running_loop().remove_reader(self._master)
        fill = os.open(os.ttyname(self._slave), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fill, FILLING)
        os.close(fill)

    def read_again(self) -> None:
        """Go on after ``stall``."""
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def hang_up(self) -> None:
        """Close the terminal's other end, as a window that is closed does; twice is no mistake."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = -1

    def write(self, text: str) -> None:
        """Type at once and wait for nothing."""
        os.write(self._master, text.encode())

    async def press(self, *keys: str) -> None:
        """Type keys, by name or as they are."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())
            # A key is answered by a change of the screen, and the next one is for what is shown then.
            await self._answer(0.3)
            while len(key) > 1 and await self._answer(0.04):
                pass

    async def until(self, condition: Callable[[str], object] | str) -> str:
        """Wait until the screen shows a text, or fulfils a condition; return it."""
        wanted = condition
        test = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        try:
            async with asyncio.timeout(DEADLINE):
                while not test(self.text):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"the screen never showed {wanted!r}:\n{self.text}") from None
        return self.text

    async def ended(self) -> int:
        """Wait for the program's end; return its exit code."""
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    async def _answer(self, seconds: float) -> bool:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
            return True
        return False

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self.received += len(data)
        data = data.replace(FILLING, b"")
        self.raw += data
        self._stream.feed(data)
        self._changed.set()


class _Screen(pyte.Screen):
    """A screen that is empty when a program takes all of it, and when it gives it back."""

    def set_mode(self, *modes: int, **kwargs: bool) -> None:
        super().set_mode(*modes, **kwargs)
        self._switch(modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: bool) -> None:
        super().reset_mode(*modes, **kwargs)
        self._switch(modes, **kwargs)

    def _switch(self, modes: Sequence[int], *, private: bool = False) -> None:
        if private and ALTERNATE in modes:
            self.erase_in_display(2)
            self.cursor_position()


def _take_control() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _processes() -> Iterator[tuple[str, int]]:
    """Yield the command line of each process that runs, and its session."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            # It may end meanwhile.
            with contextlib.suppress(OSError):
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if state not in {"Z", "X"}:
                    yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"), int(session)
