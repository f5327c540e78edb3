"""A shell that keeps running whether or not its screen is in front."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.recordings.recorder import Recorder
from sandtui.fleet.shells.channel import Opener, ShellChannel, Size, open_channel
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.slices import slices
from sandtui.terminal import Emulation, TerminalText
from sandtui.terminal.modes import Modes

UNSENT_KEPT = 4 * 1024 * 1024
"""Maximum bytes queued for a shell that does not read."""


class ShellState(Enum):
    """The state of a shell."""

    CONNECTING = "connecting"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"


class LiveShell:
    """A shell and its terminal. ``on_output`` is called when the screen changes, ``on_state`` when the state does.

    ``copy_wanted`` is what a program wants to copy to the clipboard: it needs the user's permission.
    """

    def __init__(
        self, client: AsyncSandboxClient, sandbox_id: str, name: str, *, vm: bool, opener: Opener = open_channel
    ) -> None:
        self.sandbox_id, self.name, self.vm = sandbox_id, name, vm
        self.terminal = Emulation()
        self.terminal.on_clipboard = self._copy_asked
        self.text = TerminalText(self.terminal)
        self.state = ShellState.CONNECTING
        self.exit_code: int | None = None
        self.problem = ""
        self.warning = ""
        self.copy_wanted = ""
        self.recorder: Recorder | None = None
        self.on_output: Signal[[]] = Signal()
        self.on_state: Signal[[]] = Signal()
        self._client, self._opener = client, opener
        self._unsent = bytearray()
        self._resized = False
        self._something_to_send = asyncio.Event()
        self._task: asyncio.Task[object] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is connected or connecting."""
        return self.state in {ShellState.CONNECTING, ShellState.RUNNING}

    async def run(self) -> None:
        """Open the shell and relay its data until it ends; the result is in ``state``."""
        self._task = asyncio.current_task()
        self.exit_code, self.problem = None, ""
        self._unsent.clear()
        self._set_state(ShellState.CONNECTING)
        try:
            size = self.terminal.size
            async with self._opener(self._client, self.sandbox_id, vm=self.vm, size=size) as channel:
                self._resized = self.terminal.size != size
                self.warning = channel.warning
                self._set_state(ShellState.RUNNING)
                self.exit_code = await self._carry(channel)
        except SandboxClientError as error:
            self.problem = str(error)
            self._end(ShellState.LOST)
        except BaseException:
            self._end(ShellState.LOST)
            raise
        else:
            self._end(ShellState.ENDED)

    def send(self, data: bytes) -> None:
        """Send input, in the order of the calls."""
        if data and self.is_open and len(self._unsent) < UNSENT_KEPT:
            self._unsent += data
            self._something_to_send.set()

    def resize(self, size: Size) -> None:
        """Set the size (columns, lines) of the emulated and the remote terminal."""
        if size != self.terminal.size and min(size) > 0:
            self.terminal.resize(*size)
            if self.recorder is not None:
                self.recorder.resized(self.terminal.size)
            self._resized = True
            self._something_to_send.set()

    async def close(self) -> None:
        """End the shell and wait until everything is cleaned up."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    async def _carry(self, channel: ShellChannel) -> int:
        sending = asyncio.ensure_future(self._send_all(channel))
        try:
            while data := await channel.read():
                await self._take(data)
                if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
                    raise error
            return await channel.exit_code()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _take(self, data: bytes) -> None:
        """Parse output."""
        async for piece in slices(data):
            self.terminal.feed(piece)
            if self.recorder is not None:
                self.recorder.output(piece)
            if self.terminal.replies:
                self.send(self.terminal.take_replies())
            self.on_output()

    async def _send_all(self, channel: ShellChannel) -> None:
        while True:
            if self._resized:
                self._resized = False
                await channel.resize(self.terminal.size)
            if self._unsent:
                data = bytes(self._unsent)
                self._unsent.clear()
                await channel.write(data)
            if not self._unsent and not self._resized:
                self._something_to_send.clear()
                await self._something_to_send.wait()

    def _end(self, state: ShellState) -> None:
        # Reset what an interrupted program has set: alternate screen, mouse, hidden cursor, paste.
        self.terminal.feed(b"\x18\x1b\\\x1b[?1049l\x1b[!p\x1b[m")
        self.terminal.modes = Modes()
        with suppress(Exception):
            self.on_output()
        self._set_state(state)

    def _set_state(self, state: ShellState) -> None:
        self.state = state
        self.on_state()

    def _copy_asked(self, text: str) -> None:
        self.copy_wanted = text
        self.on_state()
