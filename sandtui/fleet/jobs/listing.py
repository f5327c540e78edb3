"""Filtering and sorting the list of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.job import Job, JobState

_RANK = {JobState.RUNNING: 0, JobState.FAILED: 1, JobState.LOST: 2, JobState.DONE: 3}
_STATES = {state.value: state for state in JobState}


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A sort order of the list."""

    id: str
    key: Callable[[Job, datetime], tuple[object, ...]]
    descending: bool = False


def _started(job: Job) -> float:
    return job.started.timestamp() if job.started is not None else 0.0


ORDERS = (
    JobOrder("state", lambda job, _: (_RANK[job.state], -_started(job))),
    JobOrder("started", lambda job, _: (_started(job),), True),
    JobOrder("sandbox", lambda job, _: (job.sandbox_name.lower(), job.key.sandbox_id, -_started(job))),
    JobOrder("runtime", lambda job, now: (job.seconds(now) or 0.0,), True),
    JobOrder("output", lambda job, _: (job.size,), True),
)


def matches(job: Job, text: str, labels: Iterable[str]) -> bool:
    """Return whether a job matches all terms of a filter: text, a state, or ``#label`` of its sandbox."""
    haystack = "\n".join((job.key.job_id, job.key.sandbox_id, job.sandbox_name, job.command, job.last_line)).lower()
    for term in text.lower().split():
        if term in _STATES:
            if job.state is not _STATES[term]:
                return False
        elif term.startswith("#"):
            if not any(label.lower().startswith(term[1:]) for label in labels):
                return False
        elif term not in haystack:
            return False
    return True


def listed(
    jobs: Iterable[Job], store: FleetStore, text: str, order: JobOrder, reverse: bool, now: datetime
) -> list[Job]:
    """Return the matching jobs, sorted; ties are broken by key, so that rows do not move by themselves."""
    found = []
    for job in jobs:
        row = store.get(job.key.sandbox_id)
        if not text or matches(job, text, row.sandbox.labels if row is not None else ()):
            found.append(job)
    found.sort(key=lambda job: job.key)
    found.sort(key=lambda job: order.key(job, now), reverse=order.descending != reverse)
    return found
