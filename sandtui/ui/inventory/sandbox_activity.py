"""The right pane of the details: usage, ports, jobs, and events of this session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sandtui.client.models import ExposedPort
from sandtui.fleet.inventory.sandbox_history import Event
from sandtui.fleet.inventory.usage import Usage
from sandtui.fleet.jobs.job import Job
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.bars import BARS
from sandtui.ui.rendering.jobs import SIGNS, command_text
from sandtui.ui.rendering.text import Content, Piece, content, lines, outside
from sandtui.ui.rendering.units import clock_time, long_duration

SHOWN = 12
JOBS_SHOWN = 5
WIDTH = 20


def activity(
    events: Sequence[Event],
    ports: Sequence[ExposedPort],
    usage: Usage | None,
    measuring: bool,
    now: datetime,
    jobs: Sequence[Job],
    key: KeyOf,
) -> Content:
    """Return the sections that are not empty."""
    rows: list[Content] = []
    if usage is not None and usage.latest is not None:
        rows += [content(""), *_usage(usage, measuring, key("detail.measure"))]
    elif measuring:
        rows += [content(""), content(Piece("Usage     ", "dim"), Piece("measuring…", "waiting"))]
    if ports:
        rows += [content(""), content(Piece("Ports", "dim"))]
        rows += [_port(port) for port in ports]
    if jobs:
        jobs_key = key("detail.jobs")
        more = f"  {len(jobs) - JOBS_SHOWN} more ({jobs_key})" if len(jobs) > JOBS_SHOWN else f"  {jobs_key} for logs"
        rows += [content(""), content(Piece("Jobs", "dim"), Piece(more, "dim"))]
        rows += [_job(job, now) for job in jobs[:JOBS_SHOWN]]
    if events:
        rows += [content(""), content(Piece("This session", "dim"))]
        rows += [_event(event, now) for event in reversed(events[-SHOWN:])]
    return lines(rows) if rows else Content("")


def _usage(usage: Usage, measuring: bool, key: str) -> list[Content]:
    sample = usage.latest
    assert sample is not None
    rows = [
        content(
            Piece("Usage     ", "dim"),
            Piece(f"● live ({key} to stop)" if measuring else f"paused ({key} to resume)", "dim"),
        )
    ]
    if usage.cpu:
        rows.append(_bars("cores", [*usage.cpu], f"{usage.cpu[-1]:.2f}"))
    if sample.memory is not None:
        limit = f" of {_bytes(sample.memory_limit)}" if sample.memory_limit else ""
        rows.append(_bars("memory", [float(value) for value in usage.memory], _bytes(sample.memory) + limit))
    facts: list[str] = []
    if sample.disk_size and sample.disk_used is not None:
        facts.append(f"disk {_bytes(sample.disk_used * 1024)} of {_bytes(sample.disk_size * 1024)}")
    if sample.processes is not None:
        facts.append(f"{sample.processes} processes")
    if sample.uptime is not None:
        facts.append(f"host uptime {long_duration(sample.uptime)}")
    return [*rows, content(Piece("  " + " · ".join(facts), "dim"))] if facts else rows


def _bars(name: str, values: list[float], text: str) -> Content:
    shown = values[-WIDTH:]
    top = max(shown) or 1.0
    bars = "".join(BARS[min(len(BARS) - 1, int(value / top * (len(BARS) - 1)))] for value in shown)
    return content(Piece(f"  {name:<7}", "dim"), Piece(f"{bars:<{WIDTH}}", "info"), Piece(f"  {text}"))


def _port(port: ExposedPort) -> Content:
    where = port.external_endpoint or port.url or port.tls_socket
    name = f" {port.name}" if port.name else ""
    return content(Piece(f"  {port.port} {port.protocol or 'HTTP'}"), outside(f"{name}  {where}", "info"))


def _job(job: Job, now: datetime) -> Content:
    seconds = job.seconds(now)
    end = f"exit {job.exit_code}" if job.exit_code is not None else job.state.value
    took = f"  {long_duration(seconds)}" if seconds is not None else ""
    outcome = Piece(f"  {end}{took}  ", "bad" if job.exit_code else "dim")
    return content(Piece("  "), SIGNS[job.state], outcome, Piece(command_text(job)))


def _event(event: Event, now: datetime) -> Content:
    return content(
        Piece(f"  {clock_time(event.moment, now)}  ", "dim"), outside(event.words, "bad" if event.bad else "text")
    )


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
