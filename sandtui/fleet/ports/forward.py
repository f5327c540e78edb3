"""One forwarded port: its endpoints, state and counters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

LOOPBACK = "127.0.0.1"
"""The only local address to listen on: a forward is for this machine, not for its network."""


class Direction(Enum):
    """The direction of connections: ``OUT`` from here to the sandbox, ``IN`` from the sandbox to here."""

    OUT = "out"
    IN = "in"


class ForwardState(Enum):
    """The state of a forward."""

    CONNECTING = "connecting"
    OPEN = "open"
    BROKEN = "broken"
    FAILED = "failed"
    CLOSED = "closed"

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self in {ForwardState.FAILED, ForwardState.CLOSED}


@dataclass(frozen=True, slots=True)
class ForwardSpec:
    """The requested forward. ``local_port`` 0 lets the system choose a free port."""

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
    note: str = ""
    sent: int = 0
    received: int = 0
    connections: int = 0
    served: int = 0
    breaks: int = 0

    @property
    def address(self) -> str:
        """The local address to connect to."""
        return f"{LOOPBACK}:{self.local_port}"


_SPEC = re.compile(r"(?:([rR]):)?([0-9]{1,5})(?:(?::|\s+to\s+|\s+)([0-9]{1,5}))?", re.ASCII)
_FROM = re.compile(r"([0-9]{1,5})\s+from\s+([0-9]{1,5})", re.ASCII)


def parse_forward(text: str) -> ForwardSpec:
    """Parse ``8000``, ``8000:9000`` (port 8000 of the sandbox as local port 9000) or ``R:5432`` (local to sandbox).

    ``8000 to 9000`` and ``5432 from 5432`` are accepted too.

    Raises:
        ValueError: it is none of these, or a port is out of range.
    """
    match = _SPEC.fullmatch(text.strip())
    reverse, port, other = match.groups() if match is not None else (None, None, None)
    if match is None and (match := _FROM.fullmatch(text.strip())) is not None:
        reverse, (port, other) = "R", match.groups()
    if port is None:
        raise ValueError("expected 8000, 8000:9000 (remote:local) or R:5432 (local to sandbox)")
    numbers = [int(port), int(other or port)]
    if not all(1 <= number <= 65535 for number in numbers):
        raise ValueError("a port must be from 1 to 65535")
    return ForwardSpec(Direction.IN if reverse else Direction.OUT, *numbers)
