"""Merging the result of a poll with what is known of a job."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sandtui.fleet.jobs.job import Job, JobState


def merged(old: Job | None, new: Job, name: str, now: datetime) -> Job:
    """Return the polled job ``new``, completed by what is known of it (``old``); ``name`` is its sandbox's.

    Known values win where a poll knows less: a command can't be read after its process has ended, and a start time
    that was observed is better than one that is recomputed each time.
    """
    if new.state.is_over and new.ended is None and old is not None and old.state is JobState.RUNNING:
        new = replace(new, ended=now)
    if old is None:
        return replace(new, sandbox_name=name)
    same = old.state is new.state
    return replace(
        new,
        sandbox_name=name or old.sandbox_name,
        started=old.started or new.started,
        ended=old.ended if same and old.ended is not None else new.ended,
        command=old.command or new.command,
        mine=old.mine,
        working_dir=old.working_dir,
        note=new.note or old.note,
        chain=old.chain,
    )


def is_changed(old: Job | None, new: Job) -> bool:
    """Return whether a job must be stored again. The output of a running job does not count: it is polled anyway."""
    return old is None or _lasting(old) != _lasting(new)


def _lasting(job: Job) -> Job:
    return job if job.state.is_over else replace(job, last_line="", stdout_size=0, stderr_size=0)
