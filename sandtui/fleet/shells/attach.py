"""Attaching the user's own terminal to a shell in a sandbox, and restoring it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic, sleep

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.commands.attached import RemoteCommand
from sandtui.fleet.shells.channel import PIECE, TERMINAL_TYPE, ShellChannel, open_channel

RESTORE = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[?1l\x1b>\x1b[0m\x1b(B"
)
"""Resets what an interrupted program may have set: alternate screen, cursor, mouse, paste, keys, colors."""

LAST_WRITES_SECONDS = 0.5
RETRY_SECONDS = 0.01


class Terminal:
    """The user's terminal, in raw mode while a shell is attached."""

    def __init__(self, stdin: int | None = None, stdout: int | None = None) -> None:
        self.stdin = sys.__stdin__.fileno() if stdin is None and sys.__stdin__ is not None else stdin or 0
        self.stdout = sys.__stdout__.fileno() if stdout is None and sys.__stdout__ is not None else stdout or 1
        self._output = self.stdout

    @property
    def size(self) -> tuple[int, int]:
        """The size as columns and lines."""
        columns, lines = shutil.get_terminal_size((80, 24))
        return columns, lines

    def write_message(self, text: str) -> None:
        """Write a message of sandtui."""
        self._put(f"{text}\r\n".encode())

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Switch to raw mode for a block; restored whatever happens."""
        before = termios.tcgetattr(self.stdin)
        self._open()
        try:
            # Neither flush, since typed-ahead input is for the shell, nor drain, which waits for the terminal.
            tty.setraw(self.stdin, termios.TCSANOW)
            yield
        finally:
            # The terminal may be gone by now.
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self.stdin, termios.TCSANOW, before)
                self._put(RESTORE)
            self._close()

    def _open(self) -> None:
        """Open the terminal again, so that only these writes are non-blocking."""
        with contextlib.suppress(OSError):
            self._output = os.open(os.ttyname(self.stdout), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)

    def _close(self) -> None:
        if self._output != self.stdout:
            os.close(self._output)
            self._output = self.stdout

    async def keys(self) -> AsyncIterator[bytes]:
        """Yield the typed bytes."""
        loop = asyncio.get_running_loop()
        typed: asyncio.Queue[bytes] = asyncio.Queue()

        def read() -> None:
            try:
                typed.put_nowait(os.read(self.stdin, PIECE))
            except OSError:
                # The terminal is gone; further reads would fail repeatedly.
                loop.remove_reader(self.stdin)
                typed.put_nowait(b"")

        loop.add_reader(self.stdin, read)
        try:
            while data := await typed.get():
                yield data
        finally:
            loop.remove_reader(self.stdin)

    async def write(self, data: bytes) -> None:
        """Write the shell's output without blocking the event loop when the terminal is slow."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._output, view) :]
            except BlockingIOError:
                await self._room()
                # The kernel reports a full terminal as writable.
                await asyncio.sleep(RETRY_SECONDS)

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._output, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._output)

    def _put(self, data: bytes) -> None:
        """Write a short text; it is dropped when the terminal does not accept it soon."""
        view, end = memoryview(data), monotonic() + LAST_WRITES_SECONDS
        while view and monotonic() < end:
            try:
                view = view[os.write(self._output, view) :]
            except BlockingIOError:
                sleep(RETRY_SECONDS)

    @contextlib.contextmanager
    def resizing(self, resize: Callable[[int, int], object]) -> Iterator[None]:
        """Yield each new size of the window."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, lambda: resize(*self.size))
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)


async def attach(
    client: AsyncSandboxClient,
    sandbox_id: str,
    name: str,
    terminal: Terminal | None = None,
    *,
    take_terminal: Callable[[], contextlib.AbstractAsyncContextManager[object]] = contextlib.nullcontext,
    command: RemoteCommand | None = None,
) -> int:
    """Run a shell, or a command, in a sandbox on this terminal until it ends; return its exit code.

    ``take_terminal`` is entered once the shell is connected: until then its current user keeps the terminal.

    Raises:
        SandboxClientError: the connection failed or was lost. The terminal is restored.
    """
    screen = terminal or Terminal()
    sandbox = await client.get(sandbox_id)
    term = os.environ.get("TERM", TERMINAL_TYPE)
    if command is None:
        opening = open_channel(client, sandbox_id, vm=sandbox.vm, size=screen.size, term=term)
    else:
        opening = open_channel(client, sandbox_id, vm=sandbox.vm, size=screen.size, term=term, command=command)
    async with opening as channel, take_terminal():
        return await _run(screen, channel, "" if command is not None else name)


async def _run(screen: Terminal, channel: ShellChannel, name: str) -> int:
    if name:
        screen.write_message(f"Shell in {name} (`exit` or ctrl+d to leave)")
    if channel.warning:
        screen.write_message(channel.warning)
    tasks: set[asyncio.Future[None]] = set()

    def resize(columns: int, lines: int) -> None:
        tasks.add(asyncio.ensure_future(channel.resize((columns, lines))))

    with screen.raw(), screen.resizing(resize):
        await _bridge(screen, channel)
    return await channel.exit_code()


async def _bridge(screen: Terminal, channel: ShellChannel) -> None:
    """Relay input and output until the output ends."""

    async def type_in() -> None:
        async for data in screen.keys():
            await channel.write(data)

    typing = asyncio.ensure_future(type_in())
    try:
        while data := await channel.read():
            await screen.write(data)
            if typing.done() and (error := typing.exception()) is not None:
                raise error
    finally:
        typing.cancel()
        await asyncio.gather(typing, return_exceptions=True)
