"""From bytes as they come to lines: each stream decoded on its own, the last line growing until it ends."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from enum import Enum

MAX_LINES = 20_000
"""Lines of output that are kept; older ones are dropped, and the view says how many."""

MAX_LINE = 100_000
"""Characters of one line: a program that never ends its line must not fill the memory with it."""


class Stream(Enum):
    """Where a line came from."""

    COMMAND = "command"
    STDOUT = "stdout"
    STDERR = "stderr"
    RESULT = "result"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line as it came, not yet safe to draw. ``run`` is the number of the command that it belongs to."""

    stream: Stream
    text: str
    run: int


class Output:
    """The lines of a console, the oldest dropped when there are too many."""

    def __init__(self) -> None:
        self.lines: list[OutputLine] = []
        self.dropped = 0
        self._decoders: dict[Stream, codecs.IncrementalDecoder] = {}
        self._open: dict[Stream, int] = {}

    def add(self, stream: Stream, texts: list[str], run: int) -> None:
        """Add whole lines."""
        self.lines.extend(OutputLine(stream, text, run) for text in texts[-MAX_LINES:])
        self._trim()

    def feed(self, stream: Stream, data: bytes, run: int) -> None:
        """Add bytes that a stream of a running command wrote."""
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        first, *others = decoder.decode(data).split("\n")
        place = self._open.pop(stream, None)
        if place is not None:
            grown = (self.lines[place].text + first)[:MAX_LINE]
            self.lines[place] = OutputLine(stream, grown, run)
        elif first or others:
            place = len(self.lines)
            self.lines.append(OutputLine(stream, first[:MAX_LINE], run))
        if others:
            # What follows the last line break is a line that has only begun; nothing is no line yet.
            *whole, last = others
            self.lines.extend(OutputLine(stream, text[:MAX_LINE], run) for text in whole[-MAX_LINES:])
            place = None
            if last:
                place = len(self.lines)
                self.lines.append(OutputLine(stream, last[:MAX_LINE], run))
        if place is not None:
            self._open[stream] = place
        self._trim()

    def end_run(self) -> None:
        """Note that the command has ended: no line grows any more."""
        self._decoders.clear()
        self._open.clear()

    def clear(self) -> None:
        """Forget all lines."""
        self.lines.clear()
        self.dropped = 0
        self._open.clear()

    def _trim(self) -> None:
        surplus = len(self.lines) - MAX_LINES
        if surplus > 0:
            del self.lines[:surplus]
            self.dropped += surplus
            self._open = {stream: place - surplus for stream, place in self._open.items() if place >= surplus}
