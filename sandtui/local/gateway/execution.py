"""Runs one command: its output, its timeout, and a client that may disconnect."""

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
"""The most bytes of each stream in a response."""
DROP_SECONDS: Final = 0.001
"""The pause after each piece of output that is discarded."""
MAX_ENCODED: Final = 63 * 1024 * 1024
"""The most bytes of both streams together as JSON: clients limit a response, ours to 64 MiB."""


class TimedOut(Exception):
    """The command exceeded its timeout. ``so_far`` has its output until then."""

    def __init__(self, so_far: Executed) -> None:
        super().__init__("the command exceeded its timeout")
        self.so_far = so_far


class _Budget:
    """The bytes that the two streams of a command share."""

    def __init__(self) -> None:
        self._disconnected = MAX_ENCODED

    def take(self, size: int) -> bool:
        """Take bytes; return False if fewer are left."""
        if size > self._disconnected:
            return False
        self._disconnected -= size
        return True


class _Collector:
    """Stores the first part of a stream as JSON text and discards the rest, so that the writer never blocks."""

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
            if self.dropped:
                # Nobody gets it, and a program that floods its output would keep the whole platform busy.
                await asyncio.sleep(DROP_SECONDS)

    def take(self, note: str = "") -> bytes:
        """Return the output so far, and a note, as the inside of a JSON string; store nothing more from then on."""
        if self._is_open:
            self._json += _json_text(self._decoder.decode(b"", final=True))
        self._is_open = False
        taken, self._json = bytes(self._json) + _json_text(note), bytearray()
        return taken

    def _add(self, chunk: bytes) -> None:
        kept = chunk[: MAX_OUTPUT - self.kept] if self._is_open else b""
        encoded = _json_text(self._decoder.decode(kept))
        if not self._budget.take(len(encoded)):
            # A byte that is not text takes up to six in JSON. Cutting at a whole chunk is close enough.
            kept = b""
        else:
            self._json += encoded
        self.kept += len(kept)
        self.dropped += len(chunk) - len(kept)
        self._is_open = self._is_open and len(kept) == len(chunk)


def _json_text(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


@dataclass(frozen=True)
class Executed:
    """The output and exit code of a command."""

    exit_code: int
    stdout: bytes
    """The inside of a JSON string, like ``stderr``."""
    stderr: bytes

    def body(self) -> bytes:
        """Return the JSON body of a response."""
        return b'{"stdout":"%b","stderr":"%b","exit_code":%d}' % (self.stdout, self.stderr, self.exit_code)

    def refusal(self, detail: str) -> bytes:
        """Return the JSON body of an error response, for a command without an exit code."""
        return b'{"detail":"%b","stdout":"%b","stderr":"%b"}' % (_json_text(detail), self.stdout, self.stderr)


def not_started(text: str, exit_code: int) -> Executed:
    """Return the result of a command that could not be started."""
    return Executed(exit_code, b"", _json_text(text))


class Execution:
    """Runs commands, and reads the output of background children that outlive them."""

    def __init__(self) -> None:
        self._leftovers: set[asyncio.Task[None]] = set()

    async def run(self, request: Request, instance: Instance, command: Command, timeout: float) -> Executed:
        """Run a command; kill its process group when the timeout passes or the client disconnects."""
        command.check_length()
        running = await instance.run(command)
        flow = Flow()
        budget = _Budget()
        out, err = _Collector(flow, budget), _Collector(flow, budget)
        reading: asyncio.Future[Any] = asyncio.gather(out.fill(running, "stdout"), err.fill(running, "stderr"))
        waiting = asyncio.ensure_future(running.wait())
        leaving = asyncio.ensure_future(_disconnected(request))
        kept = False
        try:
            await asyncio.wait({waiting, leaving}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                if leaving.done():
                    raise ClientDisconnect
                raise TimedOut(Executed(-1, out.take(), err.take(_note(out, err))))
            code = waiting.result()
            # The shell has ended, and its output is in the pipes. A background child may keep them open for a
            # long time: it continues, and its output is read and discarded.
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
        """Stop reading from background children of past commands."""
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


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _note(out: _Collector, err: _Collector) -> str:
    notes = []
    for name, collector in (("stdout", out), ("stderr", err)):
        if collector.dropped:
            notes.append(f"\nsandbox: {name} was truncated to {collector.kept} bytes, {collector.dropped} dropped\n")
    return "".join(notes)
