"""Everything about one sandbox, as lines of a label and a value."""

from __future__ import annotations

from datetime import datetime

from sandtui.client.models import Sandbox
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.fleet.fields import FIELDS
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import share
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.status import status_pieces
from sandtui.ui.rendering.text import Content, Piece, content, lines, outside
from sandtui.ui.rendering.units import NONE, clock_time, duration, long_duration, number, since, time_left

LABEL_WIDTH = 9

ADVICE = {
    "OOM_KILLED": "It used more memory than it had: create it again with more memory.",
    "TIMEOUT": "Its lifetime was over: create it again with a longer one, or split the work.",
    "IMAGE_PULL_FAILED": "Check the image's name and tag, and the registry credentials.",
    "QUOTA_EXCEEDED": "Delete sandboxes that are not needed, or ask for a larger quota.",
    "NO_CAPACITY": "Try again later, ask for less, or leave the region open.",
    "START_TIMEOUT": "Try again; if it happens often, report the sandbox's id to the platform.",
    "START_FAILED": "Check the start command, and that the image is for this kind of machine.",
    "NETWORK_FAILED": "Create it again; long downloads should be able to resume.",
    "DISK_FULL": "Create it again with a larger disk.",
    "SANDBOX_LOST": "Create it again; files that were not copied out are lost.",
}
"""The advice for each kind of end."""


def detail(row: Row, now: datetime, width: int, *, full: bool) -> Content:
    """Return the description of a sandbox in ``width`` cells; ``full`` adds what the panel leaves out."""
    sandbox = row.sandbox
    rows = [
        content(outside(sandbox.id, "dim")),
        _status_line(row, now, full=full),
        content(""),
        *_problem(sandbox),
        _line("Image", outside(sandbox.docker_image)),
        _line("Size", _size(sandbox)),
        *_use(row, now, full=full),
        _line("GPU", outside(f"{sandbox.gpu_count} x {sandbox.gpu_type}") if sandbox.gpu_count else _none()),
        _line("Kind", Piece("VM" if sandbox.vm else "container")),
        _line("Network", _network(sandbox)),
        content(""),
        _line("Created", *_moment(sandbox.created_at, now)),
        _line("Started", *_moment(sandbox.started_at, now)),
        _line("Lifetime", Piece(_lifetime(sandbox))),
        _line("Left", time_left(sandbox.expires_at, now)),
        content(""),
        _line("Labels", outside("  ".join(sandbox.labels), "info") if sandbox.labels else _none()),
        _line("Env", *_environment(sandbox, full)),
        _line("Secrets", *_secrets(sandbox, full)),
    ]
    if full:
        rows += _more(sandbox, now)
    return lines([line for long in rows for line in _hang(long, width)])


def _hang(row: Content, width: int) -> list[Content]:
    """Wrap a line so that its value stays in its column."""
    if row.cell_length <= width or width <= LABEL_WIDTH + 8:
        return [row]
    label, value = row[:LABEL_WIDTH], row[LABEL_WIDTH:]
    first, *others = value.wrap(width - LABEL_WIDTH)
    return [label + first, *(Content(" " * LABEL_WIDTH) + other for other in others)]


def _status_line(row: Row, now: datetime, *, full: bool) -> Content:
    passed = since(row.sandbox.started_at, now)
    pieces = status_pieces(row.status)
    if passed is not None and not row.sandbox.is_finished:
        # Beside the list a second less is a paint less.
        pieces.append(Piece(f"   for {long_duration(passed) if full else duration(passed)}", "dim"))
    if row.missing:
        pieces.append(Piece("   not in the last listing", "busy"))
    return content(*pieces)


def _problem(sandbox: Sandbox) -> list[Content]:
    rows: list[Content] = []
    cause = sandbox.error_message or sandbox.termination_reason
    if sandbox.error_type or cause or sandbox.exit_code is not None:
        words = [word for word in (sandbox.error_type, cause) if word]
        if sandbox.exit_code is not None:
            words.append(f"exit code {sandbox.exit_code}")
        role = "bad" if sandbox.status in {"ERROR", "TIMEOUT"} else "dim"
        rows.append(_line("Ended", Piece(clean(" · ".join(words)), role)))  # type: ignore[arg-type]
    advice = ADVICE.get(sandbox.error_type or "")
    if advice:
        rows.append(_line("", Piece(advice, "info")))
    return [*rows, content("")] if rows else []


def _more(sandbox: Sandbox, now: datetime) -> list[Content]:
    command = sandbox.start_command
    if isinstance(command, dict):
        command = " ".join([str(command.get("executable", "")), *map(str, command.get("args") or [])])
    shown = outside(command) if command and command != DEFAULT_START_COMMAND else Piece("idle (default)", "dim")
    return [
        content(""),
        _line("Name", outside(sandbox.name)),
        _line("Command", shown),
        *(
            _line(field.title, outside(value) if (value := getattr(sandbox, field.name)) else _none())
            for field in FIELDS
            if field.detail
        ),
        _line("Updated", *_moment(sandbox.updated_at, now)),
        _line("Ended at", *_moment(sandbox.terminated_at, now)),
    ]


def _line(label: str, *pieces: Piece) -> Content:
    return content(Piece(f"{label:<{LABEL_WIDTH}}", "dim"), *pieces)


def _none() -> Piece:
    return Piece("none", "dim")


def _size(sandbox: Sandbox) -> Piece:
    return Piece(
        f"{number(sandbox.cpu_cores)} cpu · {number(sandbox.memory_gb)} GB · {number(sandbox.disk_size_gb)} GB disk"
    )


def _use(row: Row, now: datetime, *, full: bool) -> list[Content]:
    """What it was found to use, if anybody measured it."""
    if row.measured is None:
        return []
    words = [] if row.used is None else [f"{share(row.used)} cpu"]
    words += [] if row.memory_used is None else [f"{share(row.memory_used)} memory"]
    passed = since(row.measured.moment, now) or 0
    # Beside the list there is no room for when it was.
    ago = [Piece(f"  measured {duration(passed)} ago", "dim")] if full else []
    return [_line("Used", Piece(" · ".join(words)), *ago)]


def _network(sandbox: Sandbox) -> Piece:
    if sandbox.network_allowlist is not None:
        hosts = ", ".join(sandbox.network_allowlist)
        return outside(f"only {hosts}") if hosts else Piece("blocked", "busy")
    if sandbox.network_denylist:
        return outside(f"not {', '.join(sandbox.network_denylist)}")
    return Piece("open") if sandbox.network_access else Piece("blocked", "busy")


def _moment(moment: datetime | None, now: datetime) -> list[Piece]:
    passed = since(moment, now)
    if passed is None or moment is None:
        return [Piece(NONE, "dim")]
    return [Piece(clock_time(moment, now)), Piece(f"  {duration(passed)} ago", "dim")]


def _lifetime(sandbox: Sandbox) -> str:
    if sandbox.timeout_minutes <= 0:
        return "without end"
    text = duration(sandbox.timeout_minutes * 60)
    if sandbox.idle_timeout_minutes:
        text += f" · idle {duration(sandbox.idle_timeout_minutes * 60)}"
    return text


def _environment(sandbox: Sandbox, full: bool) -> list[Piece]:
    variables = sandbox.environment_vars or {}
    if not variables:
        return [_none()]
    if not full:
        return [Piece(f"{len(variables)} variables" if len(variables) > 1 else "1 variable")]
    return [outside("  ".join(f"{key}={value or ''}" for key, value in variables.items()))]


def _secrets(sandbox: Sandbox, full: bool) -> list[Piece]:
    names = list(sandbox.secrets or {})
    if not names:
        return [_none()]
    # Values never come back from the platform; only the names are shown even if one does.
    text = "  ".join(names) if full else f"{len(names)} name{'s' * (len(names) > 1)}"
    return [outside(text), Piece(" (values masked)", "dim")]
