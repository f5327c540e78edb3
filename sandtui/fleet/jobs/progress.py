"""Progress of a job, parsed from its last line of output: a percentage, ``step 30/100``, a tqdm bar."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sandtui.fleet.jobs.job import Job, JobState
from sandtui.fleet.text.carriage_returns import last_state

_RATIO = re.compile(
    r"(?:^|[\s\[(|])(?P<done>[0-9]{1,12})(?P<unit>[kMG]?) ?(?:/|of) ?(?P<all>[0-9]{1,12})(?P=unit)(?=$|[\s\])|,:;\[])"
)
_PERCENT = re.compile(r"(?<![\w.])(?P<percent>[0-9]{1,3}(?:\.[0-9]{1,4})?) ?%")
_WORDS = re.compile(r"(?i)\b(?:step|epoch|iter(?:ation)?|batch|item|file|test|task|episode|progress|chunk|shard)s?\b")


def progress_of(line: str) -> float | None:
    """Return the fraction done, 0 to 1, or None when the line shows none.

    A ratio counts only with a bar, or after a percentage or a word such as ``step``: ``9/11`` alone may be a date.
    When a line shows both an epoch and a step, the first one counts, which is the slower.
    """
    line = last_state(line)[-400:]
    ratio = _RATIO.search(line)
    percent = _PERCENT.search(line)
    bar = percent is not None and line[percent.end() : percent.end() + 1] == "|"
    if ratio is not None and (bar or _WORDS.search(line[: ratio.start() + 1]) or _stands_alone(line, ratio)):
        total = int(ratio["all"])
        if total > 0 and int(ratio["done"]) <= total:
            return int(ratio["done"]) / total
    if percent is not None and float(percent["percent"]) <= 100:
        # A percentage in the middle of a line may mean anything; at its start or end it is progress.
        before, after = line[: percent.start()].strip(" ([|:"), line[percent.end() :].strip(" )].|")
        if bar or not before or not after or _WORDS.search(before) or before.endswith((":", "]")):
            return float(percent["percent"]) / 100
    return None


def expected_end(job: Job, usual_seconds: float | None, now: datetime) -> datetime | None:
    """Return the estimated end of a running job: by its progress, else by earlier runs of the same command."""
    if job.state is not JobState.RUNNING or job.started is None:
        return None
    done = progress_of(job.last_line)
    if done is not None and 0.01 <= done <= 1:
        ran = (now - job.started).total_seconds()
        return now + timedelta(seconds=max(0.0, ran / done - ran))
    if usual_seconds is not None:
        end = job.started + timedelta(seconds=usual_seconds)
        return end if end > now else None
    return None


def _stands_alone(line: str, ratio: re.Match[str]) -> bool:
    inside = line[max(0, ratio.start()) : ratio.end() + 1].strip()
    return inside.startswith("[") and inside.endswith("]")
