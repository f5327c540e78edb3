"""From bytes as they come to lines: each stream decoded on its own, the last line growing until it ends."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from sandtui.fleet.text.growing_line import MAX_LINE, GrowingLine
from sandtui.fleet.text.sgr import PLAIN, Ink, ink_after

MAX_LINES = 20_000
"""Lines of output that are kept; older ones are dropped, and the view says how many."""

MAX_CHARACTERS = 64 * 1024 * 1024
"""Of all lines together: the longest lines must not fill the memory either."""


class Stream(Enum):
    """Where a line came from."""

    COMMAND = "command"
    CONTINUED = "continued"
    STDOUT = "stdout"
    STDERR = "stderr"
    RESULT = "result"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line in its last state, not yet safe to draw.

    ``run`` is the number of the command that it belongs to; ``ink`` is how its text looks before its own codes:
    colours last over the end of a line.
    """

    stream: Stream
    text: str
    run: int
    ink: Ink = PLAIN


_PRINTED = frozenset({Stream.STDOUT, Stream.STDERR})


class Output:
    """The lines of a console, the oldest dropped when there are too many."""

    def __init__(self) -> None:
        self.lines: list[OutputLine] = []
        self.dropped = 0
        self._decoders: dict[Stream, codecs.IncrementalDecoder] = {}
        self._open: dict[Stream, int] = {}
        self._growing: dict[Stream, GrowingLine] = {}
        self._inks: dict[Stream, Ink] = {}
        self._characters = 0
        self.sizes: Counter[int] = Counter()
        """How many lines each run has printed, those that were dropped included."""

    @property
    def settled(self) -> int:
        """How many of the lines, from the first, do not grow any more."""
        return min(self._open.values(), default=len(self.lines))

    def add(self, stream: Stream, texts: list[str], run: int) -> None:
        """Add whole lines."""
        self._extend(stream, texts, run)
        self._trim()

    def feed(self, stream: Stream, data: bytes, run: int) -> None:
        """Add bytes that a stream of a running command wrote."""
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        first, *others = decoder.decode(data).split("\n")
        if first or others:
            self._grow(stream, first, run)
        if others:
            # What follows the last line break is a line that has only begun; nothing is no line yet.
            *whole, last = others
            self._close(stream)
            self._extend(stream, whole, run)
            if last:
                self._grow(stream, last, run)
        self._trim()

    def end_run(self) -> None:
        """Note that the command has ended: no line grows any more."""
        self._decoders.clear()
        self._open.clear()
        self._growing.clear()
        self._inks.clear()

    def clear(self) -> None:
        """Forget all lines."""
        self.lines.clear()
        self._characters = 0
        self.dropped = 0
        self._open.clear()
        self._growing.clear()

    def _extend(self, stream: Stream, texts: list[str], run: int) -> None:
        for text in texts[-MAX_LINES:]:
            ink = self._inks.get(stream, PLAIN)
            if "\r" not in text and len(text) <= MAX_LINE:
                self._append(stream, text, run, ink)
                if "\x1b" in text:
                    self._inks[stream] = ink_after(text, ink)
            else:
                line = GrowingLine(ink=ink)
                line.feed(text)
                self._append(stream, line.text, run, line.ink)
                self._inks[stream] = line.end_ink

    def _grow(self, stream: Stream, text: str, run: int) -> None:
        """Go on with the line that is not ended, or begin one."""
        line = self._growing.get(stream)
        if line is None:
            line = self._growing[stream] = GrowingLine(ink=self._inks.get(stream, PLAIN))
        line.feed(text)
        place = self._open.get(stream)
        if place is None:
            self._open[stream] = len(self.lines)
            self._append(stream, line.text, run, line.ink)
        else:
            self._characters += len(line.text) - len(self.lines[place].text)
            self.lines[place] = OutputLine(stream, line.text, run, line.ink)

    def _close(self, stream: Stream) -> None:
        """End the line that is not ended."""
        self._open.pop(stream, None)
        self._inks[stream] = self._growing.pop(stream).end_ink

    def _append(self, stream: Stream, text: str, run: int, ink: Ink) -> None:
        self.lines.append(OutputLine(stream, text, run, ink))
        self._characters += len(text)
        if stream in _PRINTED:
            self.sizes[run] += 1

    def _trim(self) -> None:
        surplus = max(0, len(self.lines) - MAX_LINES)
        left = self._characters - sum(len(line.text) for line in self.lines[:surplus])
        while left > MAX_CHARACTERS:
            left -= len(self.lines[surplus].text)
            surplus += 1
        self._characters = left
        if surplus > 0:
            del self.lines[:surplus]
            self.dropped += surplus
            self._open = {stream: place - surplus for stream, place in self._open.items() if place >= surplus}
            # An unfinished line that was dropped begins anew with what comes next.
            self._growing = {stream: line for stream, line in self._growing.items() if stream in self._open}
