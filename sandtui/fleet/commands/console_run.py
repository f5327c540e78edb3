"""One command of a console and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RunState(Enum):
    """How a command stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Run:
    """One command and what came of it. Times are in seconds on the monotonic clock."""

    number: int
    command: str
    started: float
    state: RunState = RunState.RUNNING
    ended: float | None = None
    exit_code: int | None = None
    problem: str = ""
    timed_out: bool = False
