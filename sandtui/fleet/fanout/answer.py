"""What a command said when it has ended; equal answers are equal values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from sandtui.client import CommandResponse

MAX_KEPT = 1024 * 1024
"""Characters of each stream of one sandbox that are kept; equal answers are kept once."""


class Trouble(Enum):
    """Why there is no exit code."""

    TIMEOUT = "did not end in time"
    UNREACHED = "could not be reached"


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
        surplus = reply.stdout[limit:], reply.stderr[limit:]
        if not any(surplus):
            return cls(reply.exit_code, reply.stdout, reply.stderr)
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in surplus]
        kept = reply.stdout[:limit], reply.stderr[:limit]
        return cls(reply.exit_code, *kept, sum(map(len, surplus)), " ".join(digests))

    def shortened(self, limit: int) -> Answer:
        """Return it with less of each stream."""
        short = Answer.of(CommandResponse(stdout=self.stdout, stderr=self.stderr, exit_code=self.exit_code), limit)
        return Answer(self.exit_code, short.stdout, short.stderr, self.cut + short.cut, short.digest + self.digest)

    @property
    def size(self) -> int:
        """Characters that are kept."""
        return len(self.stdout) + len(self.stderr)
