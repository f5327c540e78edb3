"""A background job as it was last seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from sandtui.client.models.jobs import BackgroundJob

STREAMS = ("stdout", "stderr")


class JobKey(NamedTuple):
    """What names a job: ids of jobs are only unique inside their sandbox."""

    sandbox_id: str
    job_id: str


class JobState(Enum):
    """How a job stands. A lost one has no process any more and left no exit code."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"

    @property
    def is_over(self) -> bool:
        """Whether it can't change any more."""
        return self is not JobState.RUNNING


class ChainStep(Enum):
    """How far what was to happen after a job has got."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    DELETING = "deleting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Chain:
    """What happens when a job has ended with exit code 0: fetch a file, then delete the sandbox.

    ``download`` is a path in the sandbox and ``target`` a local one, both empty when nothing is fetched. The
    sandbox is only deleted when the file has arrived.
    """

    download: str = ""
    target: str = ""
    delete: bool = False
    step: ChainStep = ChainStep.WAITING
    words: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. All texts but ``words`` come from outside and are not safe to draw.

    Times are UTC and None when the sandbox could not tell; sizes are in bytes. ``command`` is empty when it is not
    known; what was kept of it is without its secrets. ``mine`` says that it was started from here;
    ``words`` says in our words why it is lost.
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
    words: str = ""
    mine: bool = False
    working_dir: str = ""
    chain: Chain | None = field(default=None)

    @property
    def files(self) -> BackgroundJob:
        """Its files in the sandbox."""
        return BackgroundJob.of(*self.key)

    @property
    def size(self) -> int:
        """Bytes that it has written so far."""
        return self.stdout_size + self.stderr_size

    def seconds(self, now: datetime) -> float | None:
        """Return how long it ran, or has been running."""
        if self.started is None:
            return None
        until = now if self.state is JobState.RUNNING else self.ended
        return None if until is None else max(0.0, (until - self.started).total_seconds())

    def log_path(self, stream: str) -> str:
        """Return where a stream of it is in the sandbox."""
        return self.files.stderr_log_file if stream == "stderr" else self.files.stdout_log_file
