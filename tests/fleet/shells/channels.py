"""Shells that do what a test says, in the place of real ones."""

from __future__ import annotations

import asyncio
import contextlib

from sandtui.client import ConnectionFailedError


class ScriptedChannel:
    """A shell whose output the test gives it: bytes, an exit code, or an error."""

    def __init__(self, size):
        self.size = size
        self.sizes = [size]
        self.typed = b""
        self.events = asyncio.Queue()
        self.closed = False
        self.read_paused = 0
        self._code = None
        self.warning = ""

    def say(self, *events):
        for event in events:
            self.events.put_nowait(event)

    async def read(self):
        event = await self.events.get()
        if isinstance(event, Exception):
            raise event
        if isinstance(event, int):
            self._code = event
            return b""
        return event

    async def write(self, data):
        self.typed += data

    async def resize(self, size):
        self.sizes.append(size)

    async def exit_code(self):
        return self._code


class ScriptedOpener:
    """Opens scripted shells and keeps them; ``refuse`` makes the next opening fail."""

    def __init__(self):
        self.channels = []
        self.refuse = None
        self.greeting = b"$ "

    @contextlib.asynccontextmanager
    async def __call__(self, client, sandbox_id, *, vm, size, term="xterm-256color"):
        if self.refuse is not None:
            refusal, self.refuse = self.refuse, None
            raise ConnectionFailedError(refusal, sandbox_id=sandbox_id)
        channel = ScriptedChannel(size)
        self.channels.append(channel)
        channel.say(self.greeting)
        try:
            yield channel
        finally:
            channel.closed = True

    @property
    def last(self):
        return self.channels[-1]


async def turns(count=20):
    """Let tasks that wait for nothing go on."""
    for _ in range(count):
        await asyncio.sleep(0)
