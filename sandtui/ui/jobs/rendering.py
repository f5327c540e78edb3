"""Rendering of a background job: state, command, runtime, progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sandtui.fleet.jobs.job import ChainStep, Job, JobState
from sandtui.fleet.jobs.progress import expected_end, progress_of
from sandtui.fleet.text.sanitize import clean, output_line
from sandtui.ui.rendering.jobs import SIGNS, command_text
from sandtui.ui.rendering.text import Piece, Role, column_width, fit, fit_middle
from sandtui.ui.rendering.units import NONE, SOON_SECONDS, aware, clock_time, duration, long_duration, short_size

BAR = 10
ID, STARTED, RUNTIME, EXIT, OUTPUT = 9, 9, 9, 4, 15
NARROW_EXIT = 13
SHORTEST_NAME = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row needs besides the job. ``ends``: when its sandbox ends; ``usual``: seconds of earlier runs."""

    now: datetime
    ends: datetime | None = None
    usual: float | None = None


def name_width(jobs: Iterable[Job], width: int) -> int:
    """Return the width of the column of the sandboxes' names: that of the names, up to a part of the window."""
    return column_width(map(_name, jobs), SHORTEST_NAME, 14 if width < 100 else width // 6)


def head(width: int, name: int) -> list[Piece]:
    """Return the column headings; ``name`` is the width of the names."""
    if width < 100:
        text = f"    {'SANDBOX':<{name}} {'COMMAND':<{command_width(width, name)}} {'RUNTIME':>{RUNTIME}}  EXIT"
    else:
        text = f"    {'JOB':<{ID}} {'SANDBOX':<{name}} {'COMMAND':<{command_width(width, name)}} {'STARTED':<{STARTED}}"
        text += f" {'RUNTIME':>{RUNTIME}}  {'EXIT':>{EXIT}} OUTPUT"
    return [Piece(text, "dim")]


def command_width(width: int, name: int) -> int:
    """Return the width of the command column in cells, beside names of a width."""
    if width < 100:
        return max(10, width - name - RUNTIME - NARROW_EXIT - 12)
    return max(10, width - ID - name - STARTED - RUNTIME - EXIT - OUTPUT - 16)


def line(job: Job, facts: Facts, width: int, name_cells: int) -> list[Piece]:
    """Return one row, with as many cells for the name as in the headings."""
    running = job.state is JobState.RUNNING
    role: Role = "text" if running else "dim"
    name = fit_middle(_name(job), name_cells)
    command = fit(command_text(job), command_width(width, name_cells))
    pieces = [SIGNS[job.state], Piece(" ")]
    runtime = _runtime(job, facts)
    if width < 100:
        pieces += [Piece(f"{name} ", role), Piece(f"{command} ", role), runtime, Piece("  ")]
        return [*pieces, *_narrow_end(job)]
    started = clock_time(job.started, facts.now) if job.started is not None else NONE
    pieces += [
        Piece(f"{job.key.job_id:<{ID}} ", "dim"),
        Piece(f"{name} ", role),
        Piece(f"{command} ", role if job.command else "dim"),
        Piece(f"{fit(started[:STARTED] if len(started) == 8 else started[5:], STARTED)} ", "dim"),
        runtime,
        Piece("  "),
    ]
    if job.state is JobState.LOST:
        return [*pieces, Piece(" lost ", "busy"), Piece(fit(clean(job.note), OUTPUT), "dim")]
    code = "" if job.exit_code is None else str(job.exit_code)
    pieces.append(Piece(f"{code:>{EXIT}} ", "bad" if job.exit_code else "dim"))
    done = progress_of(job.last_line) if running else None
    return [*pieces, *(bar(done, BAR) if done is not None else [Piece(short_size(job.size), "dim")])]


def bar(done: float, width: int) -> list[Piece]:
    """Return a progress bar with its percentage."""
    full = min(width, int(done * width))
    return [Piece("━" * full, "info"), Piece("─" * (width - full), "dim"), Piece(f" {done:4.0%}")]


def warning(job: Job, facts: Facts) -> str:
    """Return a warning when the sandbox will, or might, end before the job."""
    if job.state is not JobState.RUNNING or facts.ends is None:
        return ""
    left = (aware(facts.ends) - facts.now).total_seconds()
    end = expected_end(job, facts.usual, facts.now)
    if end is not None and end > aware(facts.ends):
        needs = duration((end - facts.now).total_seconds())
        return f"needs about {needs} more, but the sandbox ends in {duration(left)}"
    if end is None and left < SOON_SECONDS:
        return f"the sandbox ends in {duration(left)}, with or without the job"
    return ""


def about(job: Job, facts: Facts) -> list[Piece]:
    """Return the status line for the job under the cursor: warning, follow-up, ETA or last line."""
    warned = warning(job, facts)
    if warned:
        return [Piece("▲ ", "bad"), Piece(warned, "busy")]
    pieces: list[Piece] = []
    if job.chain is not None:
        pieces += chain_pieces(job)
    end = expected_end(job, facts.usual, facts.now)
    if end is not None:
        pieces.append(Piece(f"ETA {duration((end - facts.now).total_seconds())}   ", "dim"))
    if job.note:
        pieces.append(Piece(f"{clean(job.note)}   ", "busy" if job.state is JobState.LOST else "dim"))
    elif job.last_line and not pieces:
        pieces.append(Piece(output_line(job.last_line), "dim"))
    return pieces


def chain_pieces(job: Job) -> list[Piece]:
    """Return what happens after a job, and its progress."""
    chain = job.chain
    if chain is None:
        return []
    parts = [f"download {chain.download}"] if chain.download else []
    parts += ["delete the sandbox"] if chain.delete else []
    text = clean(", then ".join(parts))
    if chain.step is ChainStep.FAILED:
        return [Piece(f"then {text}: ", "dim"), Piece(f"{clean(chain.note)}   ", "bad")]
    if chain.step is ChainStep.DONE:
        return [Piece(f"then: {clean(chain.note)}   ", "good")]
    doing = "" if chain.step is ChainStep.WAITING else f" ({chain.step.value} …)"
    return [Piece(f"then {text}{doing}   ", "info")]


def counts(jobs: Iterable[Job]) -> list[Piece]:
    """Return the number of jobs in each state."""
    found = Counter(job.state for job in jobs)
    shown: list[tuple[JobState, Role]] = [
        (JobState.RUNNING, "good"),
        (JobState.FAILED, "bad"),
        (JobState.LOST, "busy"),
        (JobState.DONE, "dim"),
    ]
    pieces = []
    for state, role in shown:
        if found[state] or state is JobState.RUNNING:
            pieces.append(Piece(f"{found[state]:,} {state.value}  ", role if found[state] else "dim"))
    return pieces


def _name(job: Job) -> str:
    return clean(job.sandbox_name or job.key.sandbox_id)


def _runtime(job: Job, facts: Facts) -> Piece:
    seconds = job.seconds(facts.now)
    if seconds is None:
        return Piece(f"{NONE:>{RUNTIME}}", "dim")
    if warning(job, facts):
        return Piece(f"{long_duration(seconds) + '!':>{RUNTIME}}", "busy")
    return Piece(f"{long_duration(seconds):>{RUNTIME}}", "text" if job.state is JobState.RUNNING else "dim")


def _narrow_end(job: Job) -> list[Piece]:
    if job.state is JobState.LOST:
        return [Piece("lost", "busy")]
    done = progress_of(job.last_line) if job.state is JobState.RUNNING else None
    if done is not None:
        return bar(done, 6)
    code = "" if job.exit_code is None else str(job.exit_code)
    return [Piece(f"{code:>4}", "bad" if job.exit_code else "dim")]
