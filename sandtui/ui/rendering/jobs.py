"""How a job is shown in every list: its state and its command."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sandtui.fleet.jobs.command_text import redacted_command
from sandtui.fleet.jobs.job import Job, JobState
from sandtui.fleet.jobs.metrics import JobMetric
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.charts import trend
from sandtui.ui.rendering.text import Piece, width_of

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


TREND_WIDTHS = (24, 12)
"""The widths of a trend: the wide one if all of the first metrics fit with it."""

FIRST = 3


def metric_pieces(metrics: Sequence[JobMetric], width: int) -> list[Piece]:
    """Return the trends of a log's numbers, each with its latest value, as many as fit."""
    entries: list[list[Piece]] = []
    for room in TREND_WIDTHS:
        entries = [_metric(metric, room) for metric in metrics]
        if sum(_width(entry) + 3 for entry in entries[:FIRST]) <= width:
            break
    pieces: list[Piece] = []
    used = 0
    for entry in entries:
        wide = _width(entry) + (3 if pieces else 0)
        if used + wide > width:
            continue
        pieces += [Piece("   "), *entry] if pieces else entry
        used += wide
    return pieces


def _metric(metric: JobMetric, room: int) -> list[Piece]:
    return [
        Piece(f"{clean(metric.name)} ", "dim"),
        Piece(trend(metric.values, room), "info"),
        Piece(f" {clean(metric.text)}", "bad" if metric.is_broken else "text"),
    ]


def _width(pieces: Sequence[Piece]) -> int:
    return sum(width_of(piece.text) for piece in pieces)
