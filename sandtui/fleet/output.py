"""From bytes as they come to lines: each stream decoded on its own, the last line growing until it ends."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from sandtui.fleet.sgr import PLAIN, Ink, ink_after

MAX_LINES = 20_000
"""Lines of output that are kept; older ones are dropped, and the view says how many."""

MAX_LINE = 100_000
"""Characters of one line: a program that never ends its line must not fill the memory with it."""

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
    """One line as it came, not yet safe to draw.

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
        place = self._open.pop(stream, None)
        if place is not None:
            line = self.lines[place]
            first = (line.text + first)[:MAX_LINE]
            self._characters += len(first) - len(line.text)
            self.lines[place] = OutputLine(stream, first, run, line.ink)
        elif first or others:
            place = len(self.lines)
            first = first[:MAX_LINE]
            self._append(stream, first, run, self._inks.get(stream, PLAIN))
        if others:
            if "\x1b" in first:
                self._inks[stream] = ink_after(first, self._inks.get(stream, PLAIN))
            # What follows the last line break is a line that has only begun; nothing is no line yet.
            *whole, last = others
            self._extend(stream, whole, run)
            place = None
            if last:
                place = len(self.lines)
                self._append(stream, last[:MAX_LINE], run, self._inks.get(stream, PLAIN))
        if place is not None:
            self._open[stream] = place
        self._trim()

    def end_run(self) -> None:
        """Note that the command has ended: no line grows any more."""
        self._decoders.clear()
        self._open.clear()
        self._inks.clear()

    def clear(self) -> None:
        """Forget all lines."""
        self.lines.clear()
        self._characters = 0
        self.dropped = 0
        self._open.clear()

    def _extend(self, stream: Stream, texts: list[str], run: int) -> None:
        ink = self._inks.get(stream, PLAIN)
        for text in texts[-MAX_LINES:]:
            kept = text[:MAX_LINE]
            self._append(stream, kept, run, ink)
            if "\x1b" in kept:
                ink = self._inks[stream] = ink_after(kept, ink)

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
