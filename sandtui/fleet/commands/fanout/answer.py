"""What a command said when it has ended; equal answers are equal values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from sandtui.client import CommandResponse
from sandtui.fleet.text.carriage_returns import last_state
from sandtui.fleet.text.growing_line import MAX_LINE, GrowingLine

MAX_KEPT = 1024 * 1024
"""Characters of each stream of one sandbox that are kept; equal answers are kept once."""


class Trouble(Enum):
    """Why there is no exit code."""

    TIMEOUT = "did not end in time"
    UNREACHED = "could not be reached"


class KeptText:
    """The beginning of a stream that comes in pieces of any size.

    Up to ``limit`` characters it is kept as it came. Of a longer one only the last state of each line is kept, before
    anything is cut: what a progress bar wrote over must not crowd out what comes after it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._size = 0
        self._total = hashlib.sha256()
        self._line: GrowingLine | None = None
        self._cut = 0

    def feed(self, text: str) -> None:
        """Add what came next."""
        self._total.update(text.encode("utf-8", "surrogatepass"))
        if self._line is None:
            self._parts.append(text)
            self._size += len(text)
            if self._size <= self._limit:
                return
            text = "".join(self._parts)
            self._parts, self._size = [], 0
            self._line = self._new_line()
        head, ended, last = text.rpartition("\n")
        if ended:
            first, more, middle = head.partition("\n")
            self._line.feed(first)
            self._keep(self._line.text + "\n", self._line.cut)
            if more:
                if "\r" in middle:
                    middle = "\n".join(map(last_state, middle.split("\n")))
                self._keep(middle + "\n")
            self._line = self._new_line()
        self._line.feed(last)

    @property
    def text(self) -> str:
        """What is kept."""
        line = self._line.text if self._line is not None else ""
        return "".join(self._parts) + line[: max(0, self._limit - self._size)]

    @property
    def cut(self) -> int:
        """How many characters were left out, other than those that were written over."""
        if self._line is None:
            return 0
        return self._cut + self._line.cut + max(0, self._size + len(self._line.text) - self._limit)

    @property
    def digest(self) -> str:
        """What tells apart streams that begin alike."""
        return self._total.hexdigest() if self.cut else ""

    def _new_line(self) -> GrowingLine:
        return GrowingLine(max(self._limit, MAX_LINE))

    def _keep(self, text: str, cut: int = 0) -> None:
        room = self._limit - self._size
        if room > 0:
            self._parts.append(text[:room])
            self._size += len(self._parts[-1])
        self._cut += cut + max(0, len(text) - room)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said. ``cut`` counts the characters that were left out, ``digest`` tells them apart."""

    exit_code: int
    stdout: str
    stderr: str
    cut: int = 0
    digest: str = ""

    @classmethod
    def of(cls, reply: CommandResponse, limit: int = MAX_KEPT) -> Answer:
        """Keep the beginning of each stream."""
        if len(reply.stdout) <= limit and len(reply.stderr) <= limit:
            return cls(reply.exit_code, reply.stdout, reply.stderr)
        out, err = KeptText(limit), KeptText(limit)
        out.feed(reply.stdout)
        err.feed(reply.stderr)
        return cls.of_streams(reply.exit_code, out, err)

    @classmethod
    def of_streams(cls, exit_code: int, out: KeptText, err: KeptText) -> Answer:
        """Return the answer of a command whose streams were kept as they came."""
        cut = out.cut + err.cut
        return cls(exit_code, out.text, err.text, cut, f"{out.digest} {err.digest}" if cut else "")

    def shortened(self, limit: int) -> Answer:
        """Return it with less of each stream."""
        short = Answer.of(CommandResponse(stdout=self.stdout, stderr=self.stderr, exit_code=self.exit_code), limit)
        return Answer(self.exit_code, short.stdout, short.stderr, self.cut + short.cut, short.digest + self.digest)

    @property
    def size(self) -> int:
        """Characters that are kept."""
        return len(self.stdout) + len(self.stderr)
