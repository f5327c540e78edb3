"""A background job in its last known state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from sandtui.client.models.jobs import BackgroundJob

STREAMS = ("stdout", "stderr")


class JobKey(NamedTuple):
    """The identity of a job: job ids are unique only within their sandbox."""

    sandbox_id: str
    job_id: str


class JobState(Enum):
    """The state of a job. A lost job has no process and left no exit code."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self is not JobState.RUNNING


class ChainStep(Enum):
    """Progress of a follow-up chain."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    DELETING = "deleting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Chain:
    """What happens when a job succeeds (exit code 0): download a file, then delete the sandbox.

    ``download`` is a path in the sandbox and ``target`` a local one, both empty when nothing is downloaded. The
    sandbox is deleted only after the file has arrived.
    """

    download: str = ""
    target: str = ""
    delete: bool = False
    step: ChainStep = ChainStep.WAITING
    note: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. All texts but ``note`` come from outside and are not safe to draw.

    Times are UTC, or None when the sandbox could not report them; sizes are in bytes. ``command`` is empty when it is
    unknown; a stored command has its secrets redacted. ``mine`` marks a job that was started from here. ``note`` is
    our own text, such as why the job is lost.
    """

    key: JobKey
    state: JobState
    sandbox_name: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    command: str = ""
    stdout_size: int = 0
    stderr_size: int = 0
    last_line: str = ""
    note: str = ""
    mine: bool = False
    working_dir: str = ""
    chain: Chain | None = field(default=None)

    @property
    def files(self) -> BackgroundJob:
        """The job's files in the sandbox."""
        return BackgroundJob.of(*self.key)

    @property
    def size(self) -> int:
        """Bytes of output so far."""
        return self.stdout_size + self.stderr_size

    def seconds(self, now: datetime) -> float | None:
        """Return the runtime in seconds, up to ``now`` while the job runs; None when it is unknown."""
        if self.started is None:
            return None
        until = now if self.state is JobState.RUNNING else self.ended
        return None if until is None else max(0.0, (until - self.started).total_seconds())

    def log_path(self, stream: str) -> str:
        """Return the path of a stream's log in the sandbox."""
        return self.files.stderr_log_file if stream == "stderr" else self.files.stdout_log_file
