"""The result of a command; equal results are equal values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from sandtui.client import CommandResponse
from sandtui.fleet.text.carriage_returns import last_state
from sandtui.fleet.text.growing_line import MAX_LINE, GrowingLine

MAX_KEPT = 1024 * 1024
"""Characters stored per stream and sandbox; equal results are stored once."""


class FailureReason(Enum):
    """Why a command has no exit code."""

    TIMEOUT = "timed out"
    UNREACHED = "unreachable"


class CappedText:
    """Collects the start of a stream that arrives in chunks of any size.

    Up to ``limit`` characters are stored unchanged. In a longer stream lines are first reduced to their last state
    (text overwritten by progress bars is dropped), and only then truncated.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._size = 0
        self._total = hashlib.sha256()
        self._line: GrowingLine | None = None
        self._cut = 0

    def feed(self, text: str) -> None:
        """Add a chunk."""
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
        """The stored text."""
        line = self._line.text if self._line is not None else ""
        return "".join(self._parts) + line[: max(0, self._limit - self._size)]

    @property
    def cut(self) -> int:
        """The number of truncated characters, not counting overwritten ones."""
        if self._line is None:
            return 0
        return self._cut + self._line.cut + max(0, self._size + len(self._line.text) - self._limit)

    @property
    def digest(self) -> str:
        """A digest that distinguishes streams with the same start."""
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
    """The output and exit code. ``cut`` counts truncated characters, ``digest`` covers them."""

    exit_code: int
    stdout: str
    stderr: str
    cut: int = 0
    digest: str = ""

    @classmethod
    def of(cls, response: CommandResponse, limit: int = MAX_KEPT) -> Answer:
        """Store the start of each stream."""
        if len(response.stdout) <= limit and len(response.stderr) <= limit:
            return cls(response.exit_code, response.stdout, response.stderr)
        out, err = CappedText(limit), CappedText(limit)
        out.feed(response.stdout)
        err.feed(response.stderr)
        return cls.of_streams(response.exit_code, out, err)

    @classmethod
    def of_streams(cls, exit_code: int, out: CappedText, err: CappedText) -> Answer:
        """Return the result of a command from its collected streams."""
        cut = out.cut + err.cut
        return cls(exit_code, out.text, err.text, cut, f"{out.digest} {err.digest}" if cut else "")

    def shortened(self, limit: int) -> Answer:
        """Return a copy with shorter streams."""
        short = Answer.of(CommandResponse(stdout=self.stdout, stderr=self.stderr, exit_code=self.exit_code), limit)
        return Answer(self.exit_code, short.stdout, short.stderr, self.cut + short.cut, short.digest + self.digest)

    @property
    def size(self) -> int:
        """The number of stored characters."""
        return len(self.stdout) + len(self.stderr)
