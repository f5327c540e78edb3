"""The output of a running command, bounded in size."""

from __future__ import annotations

import codecs
from collections import deque
from typing import Literal, NamedTuple

from sandtui.fleet.commands.fanout.answer import MAX_KEPT, Answer, CappedText
from sandtui.fleet.text.growing_line import GrowingLine

TAIL_LINES = 50
LONGEST_LINE = 2000
"""Maximum characters of a line in the tail."""

StreamName = Literal["stdout", "stderr"]


class TailLine(NamedTuple):
    """A raw line, not safe to draw."""

    text: str
    stderr: bool


class _LineBuffer:
    """One stream: its stored text and its incomplete last line."""

    def __init__(self, limit: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.stored = CappedText(limit)
        self.line = GrowingLine(LONGEST_LINE)

    def take(self, data: bytes, *, final: bool = False) -> str:
        """Store a chunk and return it decoded."""
        text = self._decoder.decode(data, final)
        self.stored.feed(text)
        return text

    def ended_lines(self, text: str) -> list[str]:
        """Return the last lines completed by a text; the rest starts the next one."""
        # For performance, text before the last lines is not split.
        *ended, rest = text.rsplit("\n", TAIL_LINES + 1)
        lines: list[str] = []
        for number, piece in enumerate(ended):
            if number or len(ended) <= TAIL_LINES:
                self.line.feed(piece)
                lines.append(self.line.text)
            self.line = GrowingLine(LONGEST_LINE)
        self.line.feed(rest)
        return lines


class Live:
    """The output of a command that runs.

    Holds ``limit`` characters of each stream and the last :data:`TAIL_LINES` lines of both.
    """

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._streams: dict[StreamName, _LineBuffer] = {"stdout": _LineBuffer(limit), "stderr": _LineBuffer(limit)}
        self._ended: deque[TailLine] = deque(maxlen=TAIL_LINES)
        self._spoke: StreamName = "stdout"

    def feed(self, name: StreamName, data: bytes) -> None:
        """Add a chunk."""
        stream = self._streams[name]
        text = stream.take(data)
        if not text:
            return
        self._spoke = name
        self._ended.extend(TailLine(line, name == "stderr") for line in stream.ended_lines(text))

    @property
    def tail(self) -> list[TailLine]:
        """The last lines, oldest first; incomplete ones are last."""
        lines = list(self._ended)
        # The stream with the latest output comes last.
        names = sorted(self._streams, key=lambda each: each == self._spoke)
        lines += [TailLine(line, name == "stderr") for name in names if (line := self._streams[name].line.text)]
        return lines[-TAIL_LINES:]

    @property
    def last(self) -> TailLine | None:
        """The last line that is not blank, or None."""
        return next((line for line in reversed(self.tail) if line.text.strip()), None)

    def answer(self, exit_code: int) -> Answer:
        """Return the output as the result of an ended command."""
        out, err = self._streams["stdout"], self._streams["stderr"]
        for stream in (out, err):
            stream.take(b"", final=True)
        return Answer.of_streams(exit_code, out.stored, err.stored)
