"""What a command has said so far, while it runs: bounded, however much it says."""

from __future__ import annotations

import codecs
import hashlib
from collections import deque
from typing import Literal, NamedTuple

from sandtui.fleet.fanout.answer import MAX_KEPT, Answer

TAIL_LINES = 50
LONGEST_LINE = 2000
"""Characters of a line in the tail."""

StreamName = Literal["stdout", "stderr"]


class TailLine(NamedTuple):
    """A line as it came, not safe to draw."""

    text: str
    stderr: bool


class _Stream:
    """One stream: its beginning, a digest of what is too much, and the line that is not ended."""

    def __init__(self, limit: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._limit = limit
        self._parts: list[str] = []
        self._kept = 0
        self._surplus = hashlib.sha256()
        self.cut = 0
        self.open_line = ""

    def take(self, data: bytes, *, final: bool = False) -> str:
        text = self._decoder.decode(data, final)
        room = self._limit - self._kept
        if room > 0:
            self._parts.append(text[:room])
            self._kept += len(self._parts[-1])
        if len(text) > room:
            surplus = text[max(0, room) :]
            self._surplus.update(surplus.encode("utf-8", "surrogatepass"))
            self.cut += len(surplus)
        return text

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def digest(self) -> str:
        return self._surplus.hexdigest()


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
        # Of a flood only the end is seen: what stands before the last lines is not even split.
        *ended, stream.open_line = (stream.open_line + text).rsplit("\n", TAIL_LINES + 1)
        if len(ended) > TAIL_LINES:
            del ended[0]
        self._ended.extend(TailLine(_shown(line), name == "stderr") for line in ended)
        if len(stream.open_line) > 2 * LONGEST_LINE:
            stream.open_line = stream.open_line[:LONGEST_LINE]

    @property
    def tail(self) -> list[TailLine]:
        """The last lines, oldest first; those that are not ended are last."""
        lines = list(self._ended)
        # The stream that spoke last is the last.
        names = sorted(self._streams, key=lambda each: each == self._spoke)
        lines += [TailLine(_shown(line), name == "stderr") for name in names if (line := self._streams[name].open_line)]
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
        digest = f"{out.digest} {err.digest}" if out.cut or err.cut else ""
        return Answer(exit_code, out.text, err.text, out.cut + err.cut, digest)


def _shown(line: str) -> str:
    """Return what a terminal would show of a line: a bar of progress is written over itself again and again."""
    line = line.removesuffix("\r")
    return line[line.rfind("\r") + 1 :][:LONGEST_LINE]
