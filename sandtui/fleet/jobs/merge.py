"""What is known of a job after another look at it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sandtui.fleet.jobs.job import Job, JobState


def merged(old: Job | None, new: Job, name: str, now: datetime) -> Job:
    """Return a job as a look found it, with what only we know of it; ``name`` is its sandbox's.

    What was known stays where the look knows less: a command can't be read any more when its process has ended, and a
    start that was seen is better than one that is worked out anew each time.
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
        words=new.words or old.words,
        chain=old.chain,
    )


def is_news(old: Job | None, new: Job) -> bool:
    """Return whether a job must be written down again: how much one has written so far is asked anew anyway."""
    return old is None or _lasting(old) != _lasting(new)


def _lasting(job: Job) -> Job:
    return job if job.state.is_over else replace(job, last_line="", stdout_size=0, stderr_size=0)
