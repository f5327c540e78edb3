"""How a job is shown in every list: its state and its command."""

from __future__ import annotations

from functools import lru_cache

from sandtui.fleet.jobs.command_text import redacted_command
from sandtui.fleet.jobs.job import Job, JobState
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece

SIGNS: dict[JobState, Piece] = {
    JobState.RUNNING: Piece("◐", "good"),
    JobState.DONE: Piece("✓", "dim"),
    JobState.FAILED: Piece("✖", "bad"),
    JobState.LOST: Piece("?", "busy"),
}

_shown_command = lru_cache(4096)(redacted_command)


def command_text(job: Job) -> str:
    """Return the command of a job, shortened and safe to draw."""
    if not job.command:
        return "(command unknown)"
    return clean(_shown_command(job.command).replace("\n", " "))
