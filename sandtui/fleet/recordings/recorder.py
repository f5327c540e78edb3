"""Recording a terminal's output. Input is not recorded, so that a password without echo never reaches a file."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Protocol

from sandtui.clock import Clock
from sandtui.fleet.recordings.asciicast import CastEvent, CastHeader, event_line, header_line

BATCH = 64 * 1024
"""Characters buffered before they are written."""


class Tape(Protocol):
    """The output of a recording. Methods do not block: writing happens elsewhere, in the order of the calls."""

    def append(self, text: str) -> None:
        """Write data."""
        ...

    def finish(self) -> None:
        """Finish writing and give the file its final name."""
        ...


class Recorder:
    """Records the raw output of a shell or console.

    ``on_tape`` is the destination; call ``flush`` regularly, and ``stop`` once.
    """

    def __init__(self, tape: Tape, clock: Clock, size: tuple[int, int], title: str) -> None:
        self._tape, self._clock = tape, clock
        self._began = clock.monotonic()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting: list[str] = []
        self._length = 0
        self.stopped = False
        header = CastHeader(*size, int(clock.now().timestamp()), title)
        tape.append(header_line(header))

    @property
    def seconds(self) -> float:
        """The duration so far, in seconds."""
        return self._clock.monotonic() - self._began

    def output(self, data: bytes) -> None:
        """Record output."""
        self._add("o", self._decoder.decode(data))

    def resized(self, size: tuple[int, int]) -> None:
        """Record a resize (columns, lines)."""
        self._add("r", f"{size[0]}x{size[1]}")

    def screen(self, draw: Callable[[], bytes]) -> None:
        """Record the current screen as the start of the recording."""
        self.output(draw())

    def flush(self) -> None:
        """Write the buffered data."""
        if self._waiting:
            self._tape.append("".join(self._waiting))
            self._waiting.clear()
            self._length = 0

    def stop(self) -> None:
        """Write the rest and finish; may be called twice."""
        if not self.stopped:
            self.stopped = True
            self.flush()
            self._tape.finish()

    def _add(self, kind: str, text: str) -> None:
        if self.stopped or not text:
            return
        line = event_line(CastEvent(self.seconds, "o" if kind == "o" else "r", text))
        self._waiting.append(line)
        self._length += len(line)
        if self._length > BATCH:
            self.flush()
