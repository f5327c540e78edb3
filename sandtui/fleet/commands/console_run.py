"""A run of the console."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RunState(Enum):
    """The state of a run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class ConsoleRun:
    """One command and its result. Times are in seconds on the monotonic clock."""

    number: int
    command: str
    started: float
    state: RunState = RunState.RUNNING
    ended: float | None = None
    exit_code: int | None = None
    problem: str = ""
    timed_out: bool = False
    user: str | None = None
