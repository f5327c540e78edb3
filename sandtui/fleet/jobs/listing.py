"""Which jobs are listed, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.job import Job, JobState

_RANK = {JobState.RUNNING: 0, JobState.FAILED: 1, JobState.LOST: 2, JobState.DONE: 3}
_STATES = {state.value: state for state in JobState}


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the list."""

    id: str
    key: Callable[[Job, datetime], tuple[object, ...]]
    descending: bool = False


def _started(job: Job) -> float:
    return job.started.timestamp() if job.started is not None else 0.0


ORDERS = (
    Order("state", lambda job, _: (_RANK[job.state], -_started(job))),
    Order("started", lambda job, _: (_started(job),), True),
    Order("sandbox", lambda job, _: (job.sandbox_name.lower(), job.key.sandbox_id, -_started(job))),
    Order("runtime", lambda job, now: (job.seconds(now) or 0.0,), True),
    Order("output", lambda job, _: (job.size,), True),
)


def matches(job: Job, text: str, labels: Iterable[str]) -> bool:
    """Return whether a job matches a filter: words of its own, a state, or ``#label`` of its sandbox; all must hold."""
    haystack = "\n".join((job.key.job_id, job.key.sandbox_id, job.sandbox_name, job.command, job.last_line)).lower()
    for word in text.lower().split():
        if word in _STATES:
            if job.state is not _STATES[word]:
                return False
        elif word.startswith("#"):
            if not any(label.lower().startswith(word[1:]) for label in labels):
                return False
        elif word not in haystack:
            return False
    return True


def listed(jobs: Iterable[Job], store: FleetStore, text: str, order: Order, turned: bool, now: datetime) -> list[Job]:
    """Return the jobs that match, in order; ties go by key, so that nothing moves by itself."""
    found = []
    for job in jobs:
        row = store.get(job.key.sandbox_id)
        if not text or matches(job, text, row.sandbox.labels if row is not None else ()):
            found.append(job)
    found.sort(key=lambda job: job.key)
    found.sort(key=lambda job: order.key(job, now), reverse=order.descending != turned)
    return found
