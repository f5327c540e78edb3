"""One transfer: from where, to where, and how far it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from sandtui.client.errors import ConnectionFailedError

RATE_SECONDS = 5.0
"""Seconds over which the speed is averaged."""


class State(Enum):
    """How a transfer stands."""

    QUEUED = "queued"
    COUNTING = "counting"
    ASKING = "asks"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})
ACTIVE = frozenset({State.COUNTING, State.RUNNING})


class Existing(Enum):
    """What becomes of a file that is there already."""

    ASK = "ask"
    OVERWRITE = "overwrite"
    SKIP = "skip"
    RENAME = "rename"
    NEWER = "newer"
    DIFFERENT = "different"


class TransferError(Exception):
    """A transfer can't be carried out; the text says why and what to do."""


class PausedError(ConnectionFailedError):
    """Raised inside a transfer to stop it. For the client it is a break, so what has come is kept for later."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path on this machine, when there is no ``sandbox_id``, or in a sandbox, whose ``name`` is for people."""

    path: str
    sandbox_id: str | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """How it is written: ``NAME:PATH``."""
        return f"{self.name or self.sandbox_id}:{self.path}" if self.sandbox_id else self.path


@dataclass(frozen=True, slots=True)
class Spec:
    """What to copy: the target is the final path of the copy, fixed when it is queued.

    ``batch`` joins what was asked for together, so that a question is asked once. ``existing`` is what was answered,
    or is to be asked. ``keep`` keeps times and permissions; ``checksum`` compares the sha256 on both sides. With
    ``names`` source and target are directories, and only these entries of them are copied. What matches ``ignore``,
    lines of a ``.gitignore``, is left alone on both sides; ``delete`` removes what the source does not have.
    Without ``consent`` nothing of this machine is replaced: the transfer asks first. Only with ``allow_git`` does a
    sandbox's file come to lie in a ``.git`` of this machine.
    """

    source: Place
    target: Place
    batch: str
    existing: Existing = Existing.ASK
    keep: bool = False
    names: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    delete: bool = False
    checksum: bool = True
    consent: bool = True
    allow_git: bool = False

    @property
    def is_download(self) -> bool:
        """Whether a sandbox's files come to this machine."""
        return self.source.sandbox_id is not None and self.target.sandbox_id is None


@dataclass(slots=True)
class Transfer:
    """A spec and how far it is. Sizes are in bytes, times in seconds on the monotonic clock."""

    id: str
    spec: Spec
    state: State = State.QUEUED
    total: int = 0
    done: int = 0
    files: int = 0
    files_done: int = 0
    links: int = 0
    permissions: int = 0
    """How many things were equal but for their permissions."""
    skipped: int = 0
    left_out: int = 0
    omitted: tuple[str, ...] = ()
    """What was left out, in words; the first of many."""
    held: int = 0
    """How many of those are a ``.git``."""
    run_by: tuple[tuple[str, str], ...] = ()
    """Paths of this machine that programs run by themselves, each with the program; the first of many."""
    deleted: int = 0
    conflicts: int = 0
    problem: str = ""
    current: str = ""
    stopping: bool = False
    started: float | None = None
    ended: float | None = None
    tries: int = 0
    untidy: bool = False
    """Whether something temporary could not be removed when it was not needed any more."""
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ENDED

    @property
    def fraction(self) -> float:
        """How much of it is done, from 0 to 1."""
        if self.state is State.DONE:
            return 1.0
        return min(1.0, self.done / self.total) if self.total else 0.0

    def sample(self, now: float) -> None:
        """Note how far it is now."""
        if self.samples and now <= self.samples[-1][0]:
            return
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and self.samples[1][0] <= now - RATE_SECONDS:
            self.samples.popleft()

    @property
    def rate(self) -> float:
        """Bytes a second, of late."""
        if len(self.samples) < 2:
            return 0.0
        (began, before), (now, done) = self.samples[0], self.samples[-1]
        return max(0.0, (done - before) / (now - began)) if now > began else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that it will still take, or None when that is not known."""
        return (self.total - self.done) / self.rate if self.rate and self.total else None

    def check(self) -> None:
        """Go on, or stop where it is.

        Raises:
            PausedError: it is to pause.
        """
        if self.stopping:
            raise PausedError("the transfer is paused")


@dataclass(frozen=True, slots=True)
class Totals:
    """All transfers together; ``left`` is in seconds, None when not known."""

    active: int
    queued: int
    paused: int
    asking: int
    failed: int
    done: int
    fraction: float
    left: float | None

    @classmethod
    def of(cls, transfers: list[Transfer]) -> Totals:
        """Count them."""

        def count(*states: State) -> int:
            return sum(transfer.state in states for transfer in transfers)

        open_ones = [each for each in transfers if each.state not in ENDED]
        total = sum(each.total for each in open_ones)
        done = sum(each.done for each in open_ones)
        rate = sum(each.rate for each in open_ones if each.state is State.RUNNING)
        return cls(
            count(*ACTIVE),
            count(State.QUEUED),
            count(State.PAUSED),
            count(State.ASKING),
            count(State.FAILED),
            count(State.DONE),
            done / total if total else 0.0,
            (total - done) / rate if rate else None,
        )
