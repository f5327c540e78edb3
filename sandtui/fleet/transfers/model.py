"""A transfer: source, target, options, state and progress."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from sandtui.client.errors import ConnectionFailedError

RATE_SECONDS = 5.0
"""Seconds over which the speed is averaged."""


class TransferState(Enum):
    """The state of a transfer."""

    QUEUED = "queued"
    COUNTING = "counting"
    ASKING = "asks"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED})
ACTIVE = frozenset({TransferState.COUNTING, TransferState.RUNNING})


class Existing(Enum):
    """What to do with a file that already exists."""

    ASK = "ask"
    OVERWRITE = "overwrite"
    SKIP = "skip"
    RENAME = "rename"
    NEWER = "newer"
    DIFFERENT = "different"


class TransferError(Exception):
    """A transfer failed; the message says why and what to do."""


class PausedError(ConnectionFailedError):
    """Raised inside a transfer to pause it. The client treats it as a lost connection, so partial files are kept."""


@dataclass(frozen=True, slots=True)
class Location:
    """A path in a sandbox, or on this machine when ``sandbox_id`` is None. ``name`` is the sandbox's name."""

    path: str
    sandbox_id: str | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """The location as text: ``NAME:PATH``."""
        return f"{self.name or self.sandbox_id}:{self.path}" if self.sandbox_id else self.path


@dataclass(frozen=True, slots=True)
class TransferSpec:
    """What to copy. The target is the final path of the copy, fixed when it is queued.

    ``batch`` groups transfers that were requested together, so that a question is asked once. ``existing`` says what
    to do with existing files. ``keep`` preserves times and permissions; ``checksum`` verifies the sha256. With
    ``names``, source and target are directories, and only these entries are copied. Items matching ``ignore`` (lines
    of a ``.gitignore``) are excluded on both sides; ``delete`` deletes what the source does not have. Without
    ``consent`` no local file is replaced: the transfer asks first. Only with ``allow_git`` may files from a sandbox
    be written to a local ``.git``.
    """

    source: Location
    target: Location
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
        """Whether it copies from a sandbox to this machine."""
        return self.source.sandbox_id is not None and self.target.sandbox_id is None


@dataclass(slots=True)
class Transfer:
    """A spec, its state and progress. Sizes are in bytes, times in seconds on the monotonic clock."""

    id: str
    spec: TransferSpec
    state: TransferState = TransferState.QUEUED
    total: int = 0
    done: int = 0
    files: int = 0
    files_done: int = 0
    links: int = 0
    permissions: int = 0
    """Items that differed in their permissions only."""
    skipped: int = 0
    left_out: int = 0
    omitted: tuple[str, ...] = ()
    """Lines about the omitted items, at most some."""
    held: int = 0
    """How many of the omitted items are ``.git`` directories."""
    run_by: tuple[tuple[str, str], ...] = ()
    """Local paths that programs run automatically, each with the program, at most some."""
    deleted: int = 0
    conflicts: int = 0
    problem: str = ""
    current: str = ""
    stopping: bool = False
    started: float | None = None
    ended: float | None = None
    tries: int = 0
    untidy: bool = False
    """Whether a temporary file could not be removed."""
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self.state in ENDED

    @property
    def fraction(self) -> float:
        """The progress, from 0 to 1."""
        if self.state is TransferState.DONE:
            return 1.0
        return min(1.0, self.done / self.total) if self.total else 0.0

    def sample(self, now: float) -> None:
        """Add a sample of the progress."""
        if self.samples and now <= self.samples[-1][0]:
            return
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and self.samples[1][0] <= now - RATE_SECONDS:
            self.samples.popleft()

    @property
    def rate(self) -> float:
        """The recent speed in bytes per second."""
        if len(self.samples) < 2:
            return 0.0
        (began, before), (now, done) = self.samples[0], self.samples[-1]
        return max(0.0, (done - before) / (now - began)) if now > began else 0.0

    @property
    def left(self) -> float | None:
        """Remaining seconds, or None when unknown."""
        return (self.total - self.done) / self.rate if self.rate and self.total else None

    def check(self) -> None:
        """Continue, or pause on request.

        Raises:
            PausedError: a pause was requested.
        """
        if self.stopping:
            raise PausedError("the transfer is paused")


@dataclass(frozen=True, slots=True)
class TransferTotals:
    """Counts and progress of all transfers; ``left`` is in seconds, None when unknown."""

    active: int
    queued: int
    paused: int
    asking: int
    failed: int
    done: int
    fraction: float
    left: float | None

    @classmethod
    def of(cls, transfers: list[Transfer]) -> TransferTotals:
        """Count them."""

        def count(*states: TransferState) -> int:
            return sum(transfer.state in states for transfer in transfers)

        open_ones = [each for each in transfers if each.state not in ENDED]
        total = sum(each.total for each in open_ones)
        done = sum(each.done for each in open_ones)
        rate = sum(each.rate for each in open_ones if each.state is TransferState.RUNNING)
        return cls(
            count(*ACTIVE),
            count(TransferState.QUEUED),
            count(TransferState.PAUSED),
            count(TransferState.ASKING),
            count(TransferState.FAILED),
            count(TransferState.DONE),
            done / total if total else 0.0,
            (total - done) / rate if rate else None,
        )
