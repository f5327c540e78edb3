"""The description of one sandbox: lines of a label and a value; beside the list, with what goes on in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sandtui.client import LanNetwork, LanNetworkMember
from sandtui.client.models import Sandbox
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.fleet.creation.values import volume_text
from sandtui.fleet.fields import FIELDS
from sandtui.fleet.inventory.cost import Cost, money
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import share
from sandtui.fleet.text.sanitize import clean
from sandtui.leases import without_lease
from sandtui.ui.inventory.sandbox_activity import SandboxActivity, log_section, sections
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.status import status_pieces
from sandtui.ui.rendering.text import Content, Piece, content, lines, outside, width_of
from sandtui.ui.rendering.units import DUE, NONE, aware, clock_time, duration, long_duration, number, since, time_left

LABEL_WIDTH = 9
FRAME = 2
"""Cells beside a name in the frame around a description."""

SLOW_START_SECONDS = 60.0
"""From this wait on, the panel shows when a sandbox started beside when it was created."""

ADVICE = {
    "OOM_KILLED": "Out of memory: clone it with more memory ({clone})",
    "TIMEOUT": "Reached its timeout: clone it with a longer one ({clone})",
    "IMAGE_PULL_FAILED": "Check the image name, the tag and the registry credentials",
    "QUOTA_EXCEEDED": "Delete unused sandboxes, or ask for a larger quota",
    "NO_CAPACITY": "Retry later, ask for less, or do not set a region",
    "START_TIMEOUT": "Retry; if it keeps failing, report the sandbox id to support",
    "START_FAILED": "Check the start command and the architecture of the image",
    "NETWORK_FAILED": "Clone it ({clone}); make long downloads resumable",
    "DISK_FULL": "Clone it with a larger disk ({clone})",
    "SANDBOX_LOST": "Clone it ({clone}); files that were not copied out are lost",
}
"""Advice by error type; ``{clone}`` stands for the key that clones."""


def detail(
    row: Row, now: datetime, width: int, key: KeyOf, networks: Sequence[tuple[LanNetwork, LanNetworkMember]] = ()
) -> Content:
    """Return the full description, ``width`` cells wide, with its memberships in LAN ``networks``."""
    sandbox = row.sandbox
    rows = [
        _status_line(row, now, full=True),
        *(_line("" if index else "Reason", told) for index, told in enumerate(_reason(sandbox, key("detail.clone")))),
        content(""),
        # The frame has the name, cut in the middle if it is too long.
        *([_line("Name", outside(sandbox.name))] if width_of(clean(sandbox.name)) > width - FRAME else ()),
        _line("Id", outside(sandbox.id)),
        _line("Labels", outside("  ".join(labels), "info") if (labels := without_lease(sandbox.labels)) else _none()),
        _line("Image", outside(sandbox.docker_image)),
        _line("Size", _size(sandbox)),
        *([_line("GPU", outside(f"{sandbox.gpu_count} × {sandbox.gpu_type}"))] if sandbox.gpu_count else ()),
        *_use(row, now, full=True),
        content(""),
        *_times(sandbox, now, full=True),
        *_cost(row, now),
        content(""),
        _line("Env", *_environment(sandbox, full=True)),
        _line("Secrets", *_secrets(sandbox, full=True)),
        content(""),
        _line("Kind", Piece("VM" if sandbox.vm else "container")),
        *(() if sandbox.gpu_count else (_line("GPU", _none()),)),
        _line("Network", _network(sandbox)),
        *(_line("" if index else "LAN", *_membership(*each)) for index, each in enumerate(networks)),
        *([_line("Volumes", outside("  ".join(map(volume_text, sandbox.volumes))))] if sandbox.volumes else ()),
        *([_line("Owner", outside(row.owner))] if row.owner else ()),
        *_more(sandbox),
    ]
    return lines(_hung(rows, width))


def panel(row: Row, activity: SandboxActivity, width: int, height: int, key: KeyOf) -> Content:
    """Return the description beside the list: first why it ended, then what is not as usual, then what goes on.

    The end of the log fills the lines that the rest leaves.
    """
    sandbox, now = row.sandbox, activity.now
    # Without a label, sentences have the width of both columns.
    head = [_status_line(row, now, full=False)]
    for told in _reason(sandbox, key("fleet.clone")):
        head += content(told).wrap(width) if width > 0 else []
    rows = [
        content(""),
        _line("Image", outside(sandbox.docker_image)),
        _line("Size", _size(sandbox)),
        *_use(row, now, full=False),
        *([_line("GPU", outside(f"{sandbox.gpu_count} × {sandbox.gpu_type}"))] if sandbox.gpu_count else ()),
        *([_line("Kind", Piece("VM"))] if sandbox.vm else ()),
        *([_line("Network", _network(sandbox))] if _is_restricted(sandbox) else ()),
        *_cost(row, now),
        *_times(sandbox, now, full=False),
        *([_line("Labels", outside("  ".join(labels), "info"))] if (labels := without_lease(sandbox.labels)) else ()),
        *([_line("Env", *_environment(sandbox, full=False))] if sandbox.environment_vars else ()),
        *([_line("Secrets", *_secrets(sandbox, full=False))] if sandbox.secrets else ()),
        _line("Id", outside(sandbox.id, "dim")),
    ]
    rows = [*head, *_hung(rows, width)]
    for section in sections(activity, width):
        rows += [content(""), *section]
    # At the bottom, where it moves nothing when it arrives.
    log = log_section(activity, width, height - len(rows) - 1)
    return lines([*rows, *([content(""), *log] if log else ())])


def _hung(rows: list[Content], width: int) -> list[Content]:
    return [line for long in rows for line in _hang(long, width)]


def _hang(row: Content, width: int) -> list[Content]:
    """Wrap a line so that its value stays in its column."""
    if row.cell_length <= width or width <= LABEL_WIDTH + 8:
        return [row]
    label, value = row[:LABEL_WIDTH], row[LABEL_WIDTH:]
    first, *others = value.wrap(width - LABEL_WIDTH)
    return [label + first, *(Content(" " * LABEL_WIDTH) + other for other in others)]


def _status_line(row: Row, now: datetime, *, full: bool) -> Content:
    passed = since(row.sandbox.started_at, now)
    pieces = status_pieces(row.shown_status)
    if passed is not None and not row.sandbox.is_finished:
        # The inspector shows no seconds, so that it is redrawn less often.
        pieces.append(Piece(f"   for {long_duration(passed) if full else duration(passed)}", "dim"))
    if row.orphaned:
        pieces.append(Piece(f"   {clean(row.orphaned)}", "busy"))
    if row.missing:
        pieces.append(Piece("   no longer listed", "busy"))
    return content(*pieces)


def _reason(sandbox: Sandbox, clone_key: str) -> list[Piece]:
    """Return why it ended, and what to do about it."""
    told: list[Piece] = []
    cause = (sandbox.error_message or sandbox.termination_reason or "").removesuffix(".")
    reason = " · ".join(filter(None, (sandbox.error_type, cause)))
    exit_code = "" if sandbox.exit_code is None else f"exit code {sandbox.exit_code}"
    if exit_code and exit_code not in reason:
        reason = f"{reason} ({exit_code})" if reason else exit_code
    if reason:
        failed = sandbox.status in {"ERROR", "TIMEOUT"}
        told.append(Piece(clean(reason), "bad" if failed else "dim"))
    advice = ADVICE.get(sandbox.error_type or "")
    if advice:
        told.append(Piece(advice.replace("{clone}", clone_key), "info"))
    return told


def _times(sandbox: Sandbox, now: datetime, *, full: bool) -> list[Content]:
    """Return when it ends or ended, and when it began; the panel leaves out what the lines around tell."""
    ended = sandbox.terminated_at if sandbox.is_finished else None
    rows = [_line("Expires", *_expiry(sandbox, now))] if not sandbox.is_finished else []
    if ended is not None:
        rows.append(_line("Ended", *_moment(ended, now)))
    rows += [_line("Lifetime", Piece(_lifetime(sandbox))), _line("Created", *_moment(sandbox.created_at, now))]
    waited = since(sandbox.created_at, aware(sandbox.started_at)) if sandbox.started_at is not None else None
    if full or (waited is not None and waited >= SLOW_START_SECONDS):
        rows.append(_line("Started", *_moment(sandbox.started_at, now)))
    if full and sandbox.updated_at is not None and sandbox.updated_at != ended:
        rows.append(_line("Updated", *_moment(sandbox.updated_at, now)))
    return rows


def _cost(row: Row, now: datetime) -> list[Content]:
    """Return what it has cost, and how that is known."""
    cost = Cost.of([row], now.timestamp())
    if not cost.is_known:
        return []
    rate = [Piece(f"  ~{money(cost.per_hour)}/h", "dim")] if cost.per_hour else []
    return [_line("Cost", Piece(cost.text()), *rate)]


def _more(sandbox: Sandbox) -> list[Content]:
    command = sandbox.start_command
    if isinstance(command, dict):
        command = " ".join([str(command.get("executable", "")), *map(str, command.get("args") or [])])
    shown = outside(command) if command and command != DEFAULT_START_COMMAND else Piece("none (stays idle)", "dim")
    return [
        _line("Command", shown),
        *(
            _line(field.title, outside(value) if (value := getattr(sandbox, field.name)) else _none())
            for field in FIELDS
            if field.detail
        ),
    ]


def _is_restricted(sandbox: Sandbox) -> bool:
    return sandbox.network_allowlist is not None or bool(sandbox.network_denylist) or not sandbox.network_access


def _line(label: str, *pieces: Piece) -> Content:
    return content(Piece(f"{label:<{LABEL_WIDTH}}", "dim"), *pieces)


def _none() -> Piece:
    return Piece("none", "dim")


def _size(sandbox: Sandbox) -> Piece:
    return Piece(
        f"{number(sandbox.cpu_cores)} cpu · {number(sandbox.memory_gb)} GB · {number(sandbox.disk_size_gb)} GB disk"
    )


def _use(row: Row, now: datetime, *, full: bool) -> list[Content]:
    """Return the usage line if the sandbox was measured."""
    if row.measured is None:
        return []
    shares = [] if row.used is None else [f"{share(row.used)} cpu"]
    shares += [] if row.memory_used is None else [f"{share(row.memory_used)} memory"]
    passed = since(row.measured.moment, now) or 0
    # The inspector has no room for the time of the measurement.
    ago = [Piece(f"  measured {duration(passed)} ago", "dim")] if full else []
    return [_line("Used", Piece(" · ".join(shares)), *ago)]


def _network(sandbox: Sandbox) -> Piece:
    if sandbox.network_allowlist is not None:
        hosts = ", ".join(sandbox.network_allowlist)
        return outside(f"only {hosts}") if hosts else Piece("blocked", "busy")
    if sandbox.network_denylist:
        return outside(f"not {', '.join(sandbox.network_denylist)}")
    return Piece("open") if sandbox.network_access else Piece("blocked", "busy")


def _membership(network: LanNetwork, member: LanNetworkMember) -> list[Piece]:
    """Return a network by its name, with the address and the tags that the sandbox has there."""
    tags = "".join(f" tag:{tag}" for tag in member.tags)
    more = [Piece("  "), outside(member.address, "dim")] if member.address else []
    pending = [] if member.synced else [Piece("  joining", "busy")]
    return [outside(network.name or network.id), outside(tags, "info"), *more, *pending]


def _moment(moment: datetime | None, now: datetime) -> list[Piece]:
    passed = since(moment, now)
    if passed is None or moment is None:
        return [Piece(NONE, "dim")]
    return [Piece(clock_time(moment, now)), Piece(f"  {duration(passed)} ago", "dim")]


def _expiry(sandbox: Sandbox, now: datetime) -> list[Piece]:
    left = time_left(sandbox.expires_at, now)
    return [left] if left.text == NONE or left.text == DUE else [Piece("in "), left]


def _lifetime(sandbox: Sandbox) -> str:
    if sandbox.timeout_minutes <= 0:
        return "no limit"
    text = duration(sandbox.timeout_minutes * 60)
    if sandbox.idle_timeout_minutes:
        text += f" · idle {duration(sandbox.idle_timeout_minutes * 60)}"
    return text


def _environment(sandbox: Sandbox, *, full: bool) -> list[Piece]:
    variables = sandbox.environment_vars or {}
    if not variables:
        return [_none()]
    if not full:
        return [Piece(f"{len(variables)} variables" if len(variables) > 1 else "1 variable")]
    return [outside("  ".join(f"{key}={value or ''}" for key, value in variables.items()))]


def _secrets(sandbox: Sandbox, *, full: bool) -> list[Piece]:
    names = list(sandbox.secrets or {})
    if not names:
        return [_none()]
    # The platform never returns values; even if it did, only names are shown.
    text = "  ".join(names) if full else f"{len(names)} name{'s' * (len(names) > 1)}"
    return [outside(text), Piece(" (values masked)", "dim")]
