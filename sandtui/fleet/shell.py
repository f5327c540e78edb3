"""Hands this terminal to a shell in a sandbox, with perfect fidelity, and takes it back as it was."""

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

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.shells.channel import PIECE, TERMINAL_TYPE, ShellChannel, open_channel

RESTORE = b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[0m\x1b(B"
"""Takes back what a program that was cut off may have set: other screen, hidden cursor, mouse, paste, colours."""


class Terminal:
    """This program's terminal, raw while a shell has it."""

    def __init__(self, stdin: int | None = None, stdout: int | None = None) -> None:
        self.stdin = sys.__stdin__.fileno() if stdin is None and sys.__stdin__ is not None else stdin or 0
        self.stdout = sys.__stdout__.fileno() if stdout is None and sys.__stdout__ is not None else stdout or 1

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        columns, lines = shutil.get_terminal_size((80, 24))
        return columns, lines

    def say(self, text: str) -> None:
        """Write a line of our own."""
        os.write(self.stdout, f"{text}\r\n".encode())

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Hand every key through until the end, whatever happens."""
        before = termios.tcgetattr(self.stdin)
        try:
            # Not flushed: what was typed ahead is for the shell.
            tty.setraw(self.stdin, termios.TCSADRAIN)
            yield
        finally:
            termios.tcsetattr(self.stdin, termios.TCSADRAIN, before)
            os.write(self.stdout, RESTORE)

    async def keys(self) -> AsyncIterator[bytes]:
        """Yield what is typed."""
        loop = asyncio.get_running_loop()
        typed: asyncio.Queue[bytes] = asyncio.Queue()

        def read() -> None:
            try:
                typed.put_nowait(os.read(self.stdin, PIECE))
            except OSError:
                # The terminal is gone, which would be reported again and again.
                loop.remove_reader(self.stdin)
                typed.put_nowait(b"")

        loop.add_reader(self.stdin, read)
        try:
            while data := await typed.get():
                yield data
        finally:
            loop.remove_reader(self.stdin)

    async def write(self, data: bytes) -> None:
        """Show what the shell says; a terminal that is held up must not hold up the loop."""
        await asyncio.to_thread(self._write_all, data)

    @contextlib.contextmanager
    def resizing(self, resize: Callable[[int, int], object]) -> Iterator[None]:
        """Tell of each change of the window's size."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, lambda: resize(*self.size))
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.stdout, view) :]


async def attach(
    client: AsyncSandboxClient,
    sandbox_id: str,
    name: str,
    terminal: Terminal | None = None,
    *,
    take_terminal: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> int:
    """Run a shell in a sandbox on this terminal until it ends; return its exit code.

    ``take_terminal`` is entered once the shell is connected: until then whoever has the terminal keeps it.

    Raises:
        SandboxClientError: there is no way in, or it broke. The terminal is as it was before.
    """
    screen = terminal or Terminal()
    sandbox = await client.get(sandbox_id)
    term = os.environ.get("TERM", TERMINAL_TYPE)
    async with open_channel(client, sandbox_id, vm=sandbox.vm, size=screen.size, term=term) as channel:
        with take_terminal():
            return await _run(screen, channel, name)


async def _run(screen: Terminal, channel: ShellChannel, name: str) -> int:
    screen.say(f"A shell in {name}; `exit` or ctrl+d leaves it.")
    tasks: set[asyncio.Future[None]] = set()

    def resize(columns: int, lines: int) -> None:
        tasks.add(asyncio.ensure_future(channel.resize((columns, lines))))

    with screen.raw(), screen.resizing(resize):
        await _bridge(screen, channel)
    return await channel.exit_code()


async def _bridge(screen: Terminal, channel: ShellChannel) -> None:
    """Carry keys in and output out until the output ends."""

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
