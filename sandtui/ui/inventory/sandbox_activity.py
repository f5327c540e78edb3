"""What goes on in a sandbox: its log's end, usage, ports, jobs, and the events of this session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sandtui.client.models import ExposedPort
from sandtui.fleet.deaths.death import Death
from sandtui.fleet.inventory.log_ends import LogEnd
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.sandbox_history import Event
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.inventory.usage import Usage
from sandtui.fleet.jobs.job import Job, JobState
from sandtui.fleet.jobs.progress import progress_of
from sandtui.ui.rendering.charts import plot
from sandtui.ui.rendering.jobs import SIGNS, command_text
from sandtui.ui.rendering.text import Content, Piece, content, cut, outside, width_of
from sandtui.ui.rendering.units import clock_time, long_duration

EVENTS_SHOWN = 12
JOBS_SHOWN = 5
LOG_AT_LEAST = 3
LOG_AT_MOST = 40
LAST_LINE = 4
"""Lines on which the last line of a log goes on."""

PLOT_HEIGHT = 2
PLOT_WIDTH = 60
"""One column for each sample that is kept."""

BESIDE_PLOT = 9

PROGRESS = 6


@dataclass(frozen=True, slots=True)
class SandboxActivity:
    """What is known of a sandbox beside its fields. ``keys``: the names of keys, empty for none."""

    now: datetime
    log: LogEnd | None = None
    loading: bool = False
    """Whether the end of the log is about to be read."""

    usage: Usage | None = None
    measuring: bool | None = None
    """Whether usage is measured now; None where that can't be switched."""

    ports: Sequence[ExposedPort] = ()
    jobs: Sequence[Job] = ()
    events: Sequence[Event] = ()
    death: Death | None = None
    """What was kept of it when it died."""

    measure_key: str = ""
    jobs_key: str = ""
    logs_key: str = ""

    @classmethod
    def of(cls, session: FleetSession, row: Row, now: datetime, *, live: bool = False) -> SandboxActivity:
        """Return what a session knows of a sandbox; ``live``: the screen reads the log while it runs too."""
        return cls(
            now,
            session.log_ends.of(row.id),
            session.log_ends.is_coming(row, live=live),
            session.store.usage.of(row.id),
            None,
            session.exposures.get(row.id, ()),
            session.jobs.of(row.id),
            session.history.of(row.id),
            death=session.deaths.told(row) if live else None,
        )

    def with_keys(self, measure: str, jobs: str, logs: str) -> SandboxActivity:
        """Return the same with the names of keys."""
        return replace(self, measure_key=measure, jobs_key=jobs, logs_key=logs)


def sections(activity: SandboxActivity, width: int) -> list[list[Content]]:
    """Return all sections but the log, each below its title, those without content left out."""
    parts = (
        _usage(activity, width),
        _jobs(activity, width),
        _ports(activity, width),
        _events(activity, width),
        _timeline(activity, width),
    )
    return [part for part in parts if part]


def log_section(activity: SandboxActivity, width: int, height: int) -> list[Content]:
    """Return the end of the log in about ``height`` lines, with its title; nothing if there is none to come."""
    log = activity.log
    if log is None:
        return [title("Log", width), content(Piece("loading…", "dim"))] if activity.loading else []
    rows = [title("Log", width, f"{activity.logs_key} for all of it" if activity.logs_key and log.lines else "")]
    if log.problem:
        rows.append(content(*cut([Piece("▲ ", "busy"), Piece(log.problem, "dim")], width)))
    elif not log.lines:
        rows.append(content(Piece("empty", "dim")))
    # In the log of what has ended, the last line is the one that tells.
    ended = log.final and not log.problem and bool(log.lines) and width > 0
    last = content(Piece(log.lines[-1], "text")).wrap(width)[:LAST_LINE] if ended else []
    room = max(LOG_AT_LEAST, min(LOG_AT_MOST, height - len(rows))) - len(last)
    others = log.lines[:-1] if ended else log.lines
    rows += [content(*cut([Piece(line, "dim")], width)) for line in others[-room:]] if room > 0 else []
    return [*rows, *last]


def title(text: str, width: int, note: str = "") -> Content:
    """Return the title of a section, with a note at the right if there is room."""
    room = width - width_of(text) - 1
    if note and width_of(note) + 3 <= room:
        return content(Piece(text, "bright"), Piece(f" {'─' * (room - width_of(note) - 1)} {note}", "dim"))
    return content(Piece(text, "bright"), Piece(f" {'─' * max(0, room)}", "dim"))


def _usage(activity: SandboxActivity, width: int) -> list[Content]:
    usage = activity.usage
    sample = usage.latest if usage is not None else None
    if usage is None or sample is None:
        return [title("Usage", width), content(Piece("measuring…", "waiting"))] if activity.measuring else []
    note = ""
    if activity.measuring is not None and activity.measure_key:
        key = activity.measure_key
        note = f"● live ({key} to stop)" if activity.measuring else f"paused ({key} to resume)"
    rows = [title("Usage", width, note)]
    if usage.cpu:
        rows += _plot(f"{usage.cpu[-1]:.2f}", "cores", [*usage.cpu], 0.0, width)
    if sample.memory is not None:
        limit = f"of {_bytes(sample.memory_limit)}" if sample.memory_limit else "memory"
        top = float(sample.memory_limit or 0)
        rows += _plot(_bytes(sample.memory), limit, [float(value) for value in usage.memory], top, width)
    facts: list[str] = []
    if sample.disk_size and sample.disk_used is not None:
        facts.append(f"disk {_bytes(sample.disk_used * 1024)} of {_bytes(sample.disk_size * 1024)}")
    if sample.processes is not None:
        facts.append(f"{sample.processes} processes")
    if sample.uptime is not None:
        facts.append(f"host uptime {long_duration(sample.uptime)}")
    joined = " · ".join(facts)
    each = [joined] if width_of(joined) <= width else facts
    return [*rows, *(content(*cut([Piece(fact, "dim")], width)) for fact in each if fact)]


def _plot(value: str, name: str, values: list[float], top: float, width: int) -> list[Content]:
    """Return a plot of values over time, with the latest and what it is beside it."""
    room = min(PLOT_WIDTH, width - BESIDE_PLOT - 1)
    if len(values) < 2 or room < 4:
        return [content(*cut([Piece(f"{value} "), Piece(name, "dim")], width))]
    upper, lower = plot(values, room, PLOT_HEIGHT, top)
    return [content(Piece(upper, "info"), Piece(f" {value}")), content(Piece(lower, "info"), Piece(f" {name}", "dim"))]


def _jobs(activity: SandboxActivity, width: int) -> list[Content]:
    jobs = activity.jobs
    if not jobs:
        return []
    note = f"{len(jobs) - JOBS_SHOWN} more " if len(jobs) > JOBS_SHOWN else ""
    key = activity.jobs_key
    note += f"({key})" if note and key else f"{key} for logs" if key else ""
    return [title("Jobs", width, note), *(_job(job, activity.now, width) for job in jobs[:JOBS_SHOWN])]


def _job(job: Job, now: datetime, width: int) -> Content:
    seconds = job.seconds(now)
    pieces = [SIGNS[job.state], Piece(" ")]
    done = progress_of(job.last_line) if job.state is JobState.RUNNING else None
    if done is not None:
        full = int(done * PROGRESS)
        pieces += [Piece("━" * full, "info"), Piece("─" * (PROGRESS - full), "dim"), Piece(f" {done:.0%}")]
    else:
        end = f"exit {job.exit_code}" if job.exit_code is not None else job.state.value
        pieces.append(Piece(end, "bad" if job.exit_code else "dim"))
    if seconds is not None:
        pieces.append(Piece(f"  {long_duration(seconds)}", "dim"))
    return content(*cut([*pieces, Piece("  "), Piece(command_text(job))], width))


def _ports(activity: SandboxActivity, width: int) -> list[Content]:
    return [title("Ports", width), *(_port(port, width) for port in activity.ports)] if activity.ports else []


def _port(port: ExposedPort, width: int) -> Content:
    where = port.external_endpoint or port.url or port.tls_socket
    name = f" {port.name}" if port.name else ""
    pieces = [Piece(f"{port.port} "), outside(f"{port.protocol or 'HTTP'}"), outside(f"{name}  {where}", "info")]
    return content(*cut(pieces, width))


def _events(activity: SandboxActivity, width: int) -> list[Content]:
    # The timeline of what has died has them too.
    shown = activity.events[-EVENTS_SHOWN:] if activity.death is None else ()
    return (
        [title("This session", width), *(_event(each, activity.now, width) for each in reversed(shown))]
        if shown
        else []
    )


def _timeline(activity: SandboxActivity, width: int) -> list[Content]:
    """Return what was seen of a sandbox before it died, in this session and before."""
    death = activity.death
    if death is None:
        return []
    rows = [title("Timeline", width, "" if death.seen else "not watched when it died")]
    rows += [content(*cut([Piece("used  ", "dim"), outside(death.used)], width))] if death.used else []
    return [*rows, *(_event(each, activity.now, width) for each in death.events[-EVENTS_SHOWN:])]


def _event(event: Event, now: datetime, width: int) -> Content:
    pieces = [Piece(f"{clock_time(event.moment, now)}  ", "dim"), outside(event.words, "bad" if event.bad else "text")]
    return content(*cut(pieces, width))


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
