"""Turns output bytes into lines: each stream is decoded separately, and its last line grows until it ends."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from sandtui.fleet.text.growing_line import MAX_LINE, GrowingLine
from sandtui.fleet.text.sgr import PLAIN, Ink, ink_after

MAX_LINES = 20_000
"""Maximum lines of output; older ones are dropped, and the view shows how many."""

MAX_CHARACTERS = 64 * 1024 * 1024
"""Maximum of all lines together: long lines must not fill the memory either."""


class OutputStream(Enum):
    """The origin of a line."""

    COMMAND = "command"
    CONTINUED = "continued"
    STDOUT = "stdout"
    STDERR = "stderr"
    RESULT = "result"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line in its last state, not yet safe to draw.

    ``run`` is the number of its command; ``ink`` is the ink that the previous line ended with.
    """

    stream: OutputStream
    text: str
    run: int
    ink: Ink = PLAIN


_PRINTED = frozenset({OutputStream.STDOUT, OutputStream.STDERR})


class Output:
    """The lines of a console; the oldest are dropped if there are too many."""

    def __init__(self) -> None:
        self.lines: list[OutputLine] = []
        self.dropped = 0
        self._decoders: dict[OutputStream, codecs.IncrementalDecoder] = {}
        self._open: dict[OutputStream, int] = {}
        self._growing: dict[OutputStream, GrowingLine] = {}
        self._inks: dict[OutputStream, Ink] = {}
        self._characters = 0
        self.sizes: Counter[int] = Counter()
        """The number of lines that each run has printed, including dropped ones."""

    @property
    def settled(self) -> int:
        """The number of lines, from the first, that do not grow any more."""
        return min(self._open.values(), default=len(self.lines))

    def add(self, stream: OutputStream, texts: list[str], run: int) -> None:
        """Add complete lines."""
        self._extend(stream, texts, run)
        self._trim()

    def feed(self, stream: OutputStream, data: bytes, run: int) -> None:
        """Add bytes that a stream of a running command wrote."""
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        first, *others = decoder.decode(data).split("\n")
        if first or others:
            self._grow(stream, first, run)
        if others:
            # After the last line break a new line starts, unless nothing follows.
            *whole, last = others
            self._close(stream)
            self._extend(stream, whole, run)
            if last:
                self._grow(stream, last, run)
        self._trim()

    def end_run(self) -> None:
        """End the open lines, because the command has ended."""
        self._decoders.clear()
        self._open.clear()
        self._growing.clear()
        self._inks.clear()

    def clear(self) -> None:
        """Remove all lines."""
        self.lines.clear()
        self._characters = 0
        self.dropped = 0
        self._open.clear()
        self._growing.clear()

    def _extend(self, stream: OutputStream, texts: list[str], run: int) -> None:
        texts = texts[-MAX_LINES:]
        if all("\r" not in text and "\x1b" not in text and len(text) <= MAX_LINE for text in texts):
            ink = self._inks.get(stream, PLAIN)
            self.lines += [OutputLine(stream, text, run, ink) for text in texts]
            self._characters += sum(map(len, texts))
            if stream in _PRINTED:
                self.sizes[run] += len(texts)
            return
        for text in texts:
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

    def _grow(self, stream: OutputStream, text: str, run: int) -> None:
        """Append to the open line, or start one."""
        line = self._growing.get(stream)
        if line is None:
            line = self._growing[stream] = GrowingLine(ink=self._inks.get(stream, PLAIN))
        line.feed(text)
        index = self._open.get(stream)
        if index is None:
            self._open[stream] = len(self.lines)
            self._append(stream, line.text, run, line.ink)
        else:
            self._characters += len(line.text) - len(self.lines[index].text)
            self.lines[index] = OutputLine(stream, line.text, run, line.ink)

    def _close(self, stream: OutputStream) -> None:
        """End the open line."""
        self._open.pop(stream, None)
        self._inks[stream] = self._growing.pop(stream).end_ink

    def _append(self, stream: OutputStream, text: str, run: int, ink: Ink) -> None:
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
            self._open = {stream: index - surplus for stream, index in self._open.items() if index >= surplus}
            # An open line that was dropped starts again with the next piece.
            self._growing = {stream: line for stream, line in self._growing.items() if stream in self._open}
