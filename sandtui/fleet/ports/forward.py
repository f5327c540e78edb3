"""One forwarded port: what it connects, how it stands, and what went through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

LOOPBACK = "127.0.0.1"
"""The only address that is listened on here: a forward is for this machine, not for its network."""


class Direction(Enum):
    """Where the connections begin: ``OUT`` here, towards the sandbox; ``IN`` in the sandbox, towards here."""

    OUT = "out"
    IN = "in"


class ForwardState(Enum):
    """How a forward stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    BROKEN = "broken"
    FAILED = "failed"
    CLOSED = "closed"

    @property
    def is_over(self) -> bool:
        """Whether it comes back only when it is asked for anew."""
        return self in {ForwardState.FAILED, ForwardState.CLOSED}


@dataclass(frozen=True, slots=True)
class ForwardSpec:
    """What is asked for. ``local_port`` 0 leaves the choice of a free one to the system."""

    direction: Direction
    sandbox_port: int
    local_port: int


@dataclass(slots=True, eq=False)
class Forward:
    """A forward and its counters, in bytes: ``sent`` went into the sandbox, ``received`` came out of it."""

    number: int
    sandbox_id: str
    sandbox_name: str
    spec: ForwardSpec
    local_port: int
    state: ForwardState = ForwardState.CONNECTING
    words: str = ""
    sent: int = 0
    received: int = 0
    connections: int = 0
    served: int = 0
    breaks: int = 0

    @property
    def address(self) -> str:
        """Where to connect to, for one that begins here."""
        return f"{LOOPBACK}:{self.local_port}"


_SPEC = re.compile(r"([0-9]{1,5})(?:\s+(?:(to|from)\s+)?([0-9]{1,5}))?", re.ASCII)


def parse_forward(text: str) -> ForwardSpec:
    """Read ``8000``, ``8000 to 9000`` (port 8000 of the sandbox to 9000 here) or ``5432 from 5432`` (the other way).

    Raises:
        ValueError: it is none of these; its text says what is.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise ValueError("write 8000, 8000 to 9000 (here), or 5432 from 5432 (of this machine, into the sandbox)")
    port, word, other = match.groups()
    numbers = [int(port), int(other or port)]
    if not all(1 <= number <= 65535 for number in numbers):
        raise ValueError("a port is a number from 1 to 65535")
    return ForwardSpec(Direction.IN if word == "from" else Direction.OUT, *numbers)
