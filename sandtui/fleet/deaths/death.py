"""A death: why a sandbox ended, and what was seen of it before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sandtui.client.models import Sandbox
from sandtui.fleet.commands.line.redaction import redact_lines
from sandtui.fleet.deaths.cause import cause_of
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.sandbox_history import Event
from sandtui.fleet.inventory.usage import share
from sandtui.fleet.jobs.job import Job
from sandtui.fleet.text.units import aware, number
from sandtui.leases import without_lease


@dataclass(frozen=True, slots=True)
class Death:
    """What is kept of a sandbox. Texts come from outside and are not safe to draw, except those of the log.

    ``log`` are its last lines, None if they were not read. ``seen`` tells whether we were looking when it ended.
    """

    sandbox_id: str
    name: str
    context: str
    image: str
    size: str
    labels: tuple[str, ...]
    status: str
    cause: str
    reason: str
    exit_code: int | None
    ended: datetime
    used: str = ""
    seen: bool = False
    events: tuple[Event, ...] = ()
    log: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, row: Row, context: str, events: Sequence[Event] = (), jobs: Iterable[Job] = (), *, seen: bool = False
    ) -> Death:
        """Return what is known of a sandbox that has ended; ``events`` and ``jobs`` are those from here."""
        sandbox = row.sandbox
        ended = datetime.fromtimestamp(row.ended, UTC)
        kind = f"{number(sandbox.cpu_cores)} cores, {number(sandbox.memory_gb)} GB"
        kind += f", {sandbox.gpu_count} {sandbox.gpu_type}" if sandbox.gpu_count else ""
        told = " · ".join(filter(None, (sandbox.error_type, sandbox.error_message or sandbox.termination_reason)))
        return cls(
            row.id,
            sandbox.name,
            context,
            sandbox.docker_image,
            kind,
            tuple(without_lease(sandbox.labels)),
            sandbox.status,
            cause_of(sandbox),
            told,
            sandbox.exit_code,
            ended,
            _used(row),
            seen,
            tuple(_timeline(sandbox, ended, events, jobs, told or cause_of(sandbox))),
        )

    def with_log(self, lines: Iterable[str]) -> Death:
        """Return the same with the last lines of its log, without secrets."""
        return replace(self, log=tuple(redact_lines("\n".join(lines))))


def _used(row: Row) -> str:
    shares = [] if row.used is None else [f"{share(row.used)} of its cores"]
    shares += [] if row.memory_used is None else [f"{share(row.memory_used)} of its memory"]
    if not shares or row.measured is None:
        return ""
    return f"{', '.join(shares)}, measured {row.measured.moment.isoformat(timespec='seconds')}"


def _timeline(
    sandbox: Sandbox, ended: datetime, events: Sequence[Event], jobs: Iterable[Job], reason: str
) -> list[Event]:
    found = list(events)
    if sandbox.created_at is not None:
        found.append(Event(aware(sandbox.created_at), "created"))
    if sandbox.started_at is not None:
        found.append(Event(aware(sandbox.started_at), "started"))
    for job in jobs:
        if job.started is not None:
            found.append(Event(job.started, f"job {job.command or job.key.job_id}"))
        if job.ended is not None:
            end = job.state.value if job.exit_code is None else f"exit {job.exit_code}"
            found.append(Event(job.ended, f"job {job.command or job.key.job_id}  {end}", bool(job.exit_code)))
    found.append(Event(ended, f"{sandbox.status}: {reason}", bad=True))
    return sorted(found, key=lambda event: event.moment)


@dataclass(frozen=True, slots=True)
class CauseLine:
    """A line of the failure board: how many died of a cause, and what most of them have in common."""

    cause: str
    count: int
    image: str
    image_count: int
    example: str
    latest: datetime

    @property
    def text(self) -> str:
        """The line in words: ``312 out of memory at 2 GB, mostly python:3.11-slim``."""
        which = "all" if self.image_count == self.count else "mostly"
        return f"{self.count:,} {self.cause}, {which} {self.image}"


def board(deaths: Iterable[Death]) -> list[CauseLine]:
    """Group deaths by cause, the most frequent first."""
    by_cause: dict[str, list[Death]] = {}
    for death in deaths:
        by_cause.setdefault(death.cause, []).append(death)
    lines = []
    for cause, members in by_cause.items():
        ((image, count),) = Counter(death.image for death in members).most_common(1)
        latest = max(members, key=lambda death: death.ended)
        lines.append(CauseLine(cause, len(members), image, count, latest.name or latest.sandbox_id, latest.ended))
    return sorted(lines, key=lambda line: (-line.count, line.cause))
