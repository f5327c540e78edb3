"""One command from start to answer: its output, its time limit, and a client that may go away."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from sandtui.local.draining import Flow, drain
from sandtui.local.drivers.base import Command, Instance, RunningCommand, Stream

MAX_OUTPUT: Final = 32 * 1024 * 1024


class TimedOut(Exception):
    """The command took longer than it may."""


class _Collector:
    """Keeps the first part of a stream and lets the rest pass, so that the writer never blocks."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._data = bytearray()
        self._limit = MAX_OUTPUT
        self.dropped = 0

    async def fill(self, command: RunningCommand, stream: Stream) -> None:
        """Read the stream to its end."""
        async for chunk in command.output(stream):
            self._flow.moved += len(chunk)
            kept = chunk[: max(0, self._limit - len(self._data))]
            self._data += kept
            self.dropped += len(chunk) - len(kept)

    def take(self) -> str:
        """Return what has come so far; from now on nothing more is kept."""
        text = self._data.decode("utf-8", "replace")
        self._data.clear()
        self._limit = 0
        return text


class Execution:
    """Runs commands to their end."""

    def __init__(self) -> None:
        self._leftovers: set[asyncio.Task[None]] = set()

    async def run(self, request: Request, instance: Instance, command: Command, timeout: float) -> dict[str, Any]:
        """Run a command; past its time, or when the client goes, its process group is killed."""
        running = await instance.run(command)
        flow = Flow()
        out, err = _Collector(flow), _Collector(flow)
        reading: asyncio.Future[Any] = asyncio.gather(out.fill(running, "stdout"), err.fill(running, "stderr"))
        waiting = asyncio.ensure_future(running.wait())
        leaving = asyncio.ensure_future(_left(request))
        kept = False
        try:
            await asyncio.wait({waiting, leaving}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientDisconnect if leaving.done() else TimedOut
            code = waiting.result()
            # The shell has ended; what it wrote is in the pipes. A child in the background may hold
            # them open for long: it goes on, its output read and dropped.
            await drain(reading, flow)
            reply = {"stdout": out.take(), "stderr": err.take() + _note(out, err), "exit_code": code}
            if not reading.done():
                kept = True
                self._keep(reading, running)
            return reply
        finally:
            leaving.cancel()
            waiting.cancel()
            if not kept:
                reading.cancel()
                await asyncio.wait([waiting, leaving, reading])
                if not reading.cancelled():
                    reading.exception()
                running.close()

    async def close(self) -> None:
        """Let go of commands whose children still hold their streams."""
        for task in list(self._leftovers):
            task.cancel()
        if self._leftovers:
            await asyncio.wait(self._leftovers)

    def _keep(self, reading: asyncio.Future[Any], running: RunningCommand) -> None:
        async def drain() -> None:
            try:
                await reading
            finally:
                running.close()

        task = asyncio.create_task(drain(), name="drain")
        self._leftovers.add(task)
        task.add_done_callback(self._leftovers.discard)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _note(out: _Collector, err: _Collector) -> str:
    notes = []
    for name, collector in (("stdout", out), ("stderr", err)):
        if collector.dropped:
            notes.append(f"\nsandbox: {name} was cut at {MAX_OUTPUT} bytes, {collector.dropped} dropped\n")
    return "".join(notes)
