"""Writes down what a terminal shows. What is typed is not recorded: a password without echo never gets into a file."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Protocol

from sandtui.clock import Clock
from sandtui.fleet.recordings.asciicast import Event, Header, event_line, header_line

BATCH = 64 * 1024
"""Characters that are collected before they are written."""


class Tape(Protocol):
    """Where a recording goes. Nothing here waits: writing is done elsewhere, in the order of the calls."""

    def append(self, text: str) -> None:
        """Write more."""
        ...

    def finish(self) -> None:
        """All is written: give the file its final name."""
        ...


class Recorder:
    """Records output from now on. Shell and console use it alike: ``output`` with bytes as they came.

    ``on_tape`` is where it goes; ``flush`` is to be called now and then, and ``stop`` once.
    """

    def __init__(self, tape: Tape, clock: Clock, size: tuple[int, int], title: str) -> None:
        self._tape, self._clock = tape, clock
        self._began = clock.monotonic()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting: list[str] = []
        self._length = 0
        self.stopped = False
        header = Header(*size, int(clock.now().timestamp()), title)
        tape.append(header_line(header))

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return self._clock.monotonic() - self._began

    def output(self, data: bytes) -> None:
        """Record what was written."""
        self._add("o", self._decoder.decode(data))

    def resized(self, size: tuple[int, int]) -> None:
        """Record a change of size (columns, lines)."""
        self._add("r", f"{size[0]}x{size[1]}")

    def screen(self, draw: Callable[[], bytes]) -> None:
        """Record what is on the screen already, so that the recording begins with it."""
        self.output(draw())

    def flush(self) -> None:
        """Hand over what was collected."""
        if self._waiting:
            self._tape.append("".join(self._waiting))
            self._waiting.clear()
            self._length = 0

    def stop(self) -> None:
        """Write the rest and end; stopping twice is no mistake."""
        if not self.stopped:
            self.stopped = True
            self.flush()
            self._tape.finish()

    def _add(self, kind: str, text: str) -> None:
        if self.stopped or not text:
            return
        line = event_line(Event(self.seconds, "o" if kind == "o" else "r", text))
        self._waiting.append(line)
        self._length += len(line)
        if self._length > BATCH:
            self.flush()
