"""One command from start to answer: its output, its time limit, and a client that may go away."""

from __future__ import annotations

import asyncio
import codecs
import json
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from sandtui.local.drivers.base import Command, Instance, RunningCommand, Stream
from sandtui.local.gateway.draining import Flow, drain

MAX_OUTPUT: Final = 32 * 1024 * 1024
"""Bytes of each stream that a reply holds."""
MAX_SPELLED: Final = 63 * 1024 * 1024
"""Bytes that JSON may take for both together: clients don't read replies of any length, ours no more than 64 MiB."""


class TimedOut(Exception):
    """The command took longer than it may. ``so_far`` is what it had written."""

    def __init__(self, so_far: Executed) -> None:
        super().__init__("the command took longer than it may")
        self.so_far = so_far


class _Budget:
    """The bytes that the streams of one command share."""

    def __init__(self) -> None:
        self._left = MAX_SPELLED

    def take(self, size: int) -> bool:
        """Take bytes, if so many are left."""
        if size > self._left:
            return False
        self._left -= size
        return True


class _Collector:
    """Keeps the first part of a stream, as JSON spells it, and lets the rest pass, so that the writer never blocks."""

    def __init__(self, flow: Flow, budget: _Budget) -> None:
        self._flow = flow
        self._budget = budget
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._json = bytearray()
        self._is_open = True
        self.kept = 0
        self.dropped = 0

    async def fill(self, command: RunningCommand, stream: Stream) -> None:
        """Read the stream to its end."""
        async for chunk in command.output(stream):
            self._flow.moved += len(chunk)
            self._add(chunk)

    def take(self, note: str = "") -> bytes:
        """Return what has come so far, and a note, as the inside of a JSON string; nothing more is kept then."""
        if self._is_open:
            self._json += _spelled(self._decoder.decode(b"", final=True))
        self._is_open = False
        taken, self._json = bytes(self._json) + _spelled(note), bytearray()
        return taken

    def _add(self, chunk: bytes) -> None:
        kept = chunk[: MAX_OUTPUT - self.kept] if self._is_open else b""
        spelled = _spelled(self._decoder.decode(kept))
        if not self._budget.take(len(spelled)):
            # A byte that is no text takes up to six in JSON: cut to a whole chunk, which is close enough.
            kept = b""
        else:
            self._json += spelled
        self.kept += len(kept)
        self.dropped += len(chunk) - len(kept)
        self._is_open = self._is_open and len(kept) == len(chunk)


def _spelled(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


@dataclass(frozen=True)
class Executed:
    """What a command has come to."""

    exit_code: int
    stdout: bytes
    """As the inside of a JSON string, as is ``stderr``."""
    stderr: bytes

    def body(self) -> bytes:
        """Return it as the JSON of a reply."""
        return b'{"stdout":"%b","stderr":"%b","exit_code":%d}' % (self.stdout, self.stderr, self.exit_code)

    def refusal(self, detail: str) -> bytes:
        """Return it as the JSON of a refusal, for a command that has no exit code."""
        return b'{"detail":"%b","stdout":"%b","stderr":"%b"}' % (_spelled(detail), self.stdout, self.stderr)


def not_started(text: str, exit_code: int) -> Executed:
    """Return what a command that could not be started has come to."""
    return Executed(exit_code, b"", _spelled(text))


class Execution:
    """Runs commands to their end."""

    def __init__(self) -> None:
        self._leftovers: set[asyncio.Task[None]] = set()

    async def run(self, request: Request, instance: Instance, command: Command, timeout: float) -> Executed:
        """Run a command; past its time, or when the client goes, its process group is killed."""
        command.check_length()
        running = await instance.run(command)
        flow = Flow()
        budget = _Budget()
        out, err = _Collector(flow, budget), _Collector(flow, budget)
        reading: asyncio.Future[Any] = asyncio.gather(out.fill(running, "stdout"), err.fill(running, "stderr"))
        waiting = asyncio.ensure_future(running.wait())
        leaving = asyncio.ensure_future(_left(request))
        kept = False
        try:
            await asyncio.wait({waiting, leaving}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                if leaving.done():
                    raise ClientDisconnect
                raise TimedOut(Executed(-1, out.take(), err.take(_note(out, err))))
            code = waiting.result()
            # The shell has ended; what it wrote is in the pipes. A child in the background may hold
            # them open for long: it goes on, its output read and dropped.
            await drain(reading, flow)
            done = Executed(code, out.take(), err.take(_note(out, err)))
            if not reading.done():
                kept = True
                self._keep(reading, running)
            return done
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
            notes.append(f"\nsandbox: {name} was cut at {collector.kept} bytes, {collector.dropped} dropped\n")
    return "".join(notes)
