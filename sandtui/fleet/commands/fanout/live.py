"""What a command has said so far, while it runs: bounded, however much it says."""

from __future__ import annotations

import codecs
from collections import deque
from typing import Literal, NamedTuple

from sandtui.fleet.commands.fanout.answer import MAX_KEPT, Answer, KeptText
from sandtui.fleet.text.growing_line import GrowingLine

TAIL_LINES = 50
LONGEST_LINE = 2000
"""Characters of a line in the tail."""

StreamName = Literal["stdout", "stderr"]


class TailLine(NamedTuple):
    """A line as it came, not safe to draw."""

    text: str
    stderr: bool


class _Stream:
    """One stream: what is kept of it, and the line that is not ended."""

    def __init__(self, limit: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.kept = KeptText(limit)
        self.line = GrowingLine(LONGEST_LINE)

    def take(self, data: bytes, *, final: bool = False) -> str:
        """Keep what came and return it."""
        text = self._decoder.decode(data, final)
        self.kept.feed(text)
        return text

    def ended_lines(self, text: str) -> list[str]:
        """Return the last lines that a text has ended; the rest of it begins the next one."""
        # Of a flood only the end is seen: what stands before the last lines is not even split.
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
        self._streams: dict[StreamName, _Stream] = {"stdout": _Stream(limit), "stderr": _Stream(limit)}
        self._ended: deque[TailLine] = deque(maxlen=TAIL_LINES)
        self._spoke: StreamName = "stdout"

    def feed(self, name: StreamName, data: bytes) -> None:
        """Take what came."""
        stream = self._streams[name]
        text = stream.take(data)
        if not text:
            return
        self._spoke = name
        self._ended.extend(TailLine(line, name == "stderr") for line in stream.ended_lines(text))

    @property
    def tail(self) -> list[TailLine]:
        """The last lines, oldest first; those that are not ended are last."""
        lines = list(self._ended)
        # The stream that spoke last is the last.
        names = sorted(self._streams, key=lambda each: each == self._spoke)
        lines += [TailLine(line, name == "stderr") for name in names if (line := self._streams[name].line.text)]
        return lines[-TAIL_LINES:]

    @property
    def last(self) -> TailLine | None:
        """The last line that says something; None before there is one."""
        return next((line for line in reversed(self.tail) if line.text.strip()), None)

    def answer(self, exit_code: int) -> Answer:
        """Return all of it, as the answer of a command that has ended."""
        out, err = self._streams["stdout"], self._streams["stderr"]
        for stream in (out, err):
            stream.take(b"", final=True)
        return Answer.of_streams(exit_code, out.kept, err.kept)
