"""The review beside the create form: what would be created, or what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from sandtui.client import CreateSandboxRequest
from sandtui.fleet.creation.form import BY_ID, FIELDS
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.fields import LAUNCH_LABEL
from sandtui.fleet.inventory.cost import current_rates, money
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Content, Piece, Role, content, lines, outside
from sandtui.ui.rendering.units import duration, number

MAX_NAMES = 3

IN_WORDS = frozenset(
    {
        "name", "docker_image", "cpu_cores", "memory_gb", "disk_size_gb", "gpu_count", "gpu_type", "timeout_minutes",
        "network", "labels", "environment_vars", "secrets", "checkpoint_id",
    }
)  # fmt: skip
"""The fields with lines of their own; of the others each that differs from its default has a line."""


def review(plan: LaunchPlan, problems: Mapping[str, str], where: str) -> Content:
    """Return what would be created, or what is wrong."""
    rows: list[Content] = []
    if plan.requests and not problems:
        rows += _what(plan, where)
    if problems:
        rows.append(content(Piece("Problems", "bad")))
        for field, words in problems.items():
            label = BY_ID[field].label if field in BY_ID else clean(field)
            rows.append(content(Piece(f"  ✖ {label}: {clean(words)}", "bad")))
    return lines(rows)


def _what(plan: LaunchPlan, where: str) -> list[Content]:
    first = plan.requests[0]
    many = len(plan.requests)
    rows = []
    if many == 1:
        rows.append(content(Piece("Will create ", "dim"), outside(first.name, "bright")))
    else:
        rows.append(content(Piece("Will create ", "dim"), Piece(f"{many} sandboxes", "bright")))
        names = [request.name for request in plan.requests]
        shown = names if many <= MAX_NAMES else [*names[: MAX_NAMES - 1], "…", names[-1]]
        rows += [content(Piece("  "), outside(name)) for name in shown]
    rows += [
        content(Piece("on ", "dim"), outside(where or "the platform")),
        content(""),
        *_files(first, plan),
        _line("Each", _size(first), plan, _size),
    ]
    if many > 1:
        disk = "" if first.checkpoint_id else f" · {number(plan.disk_gb)} GB disk"
        total = f"{number(plan.cores)} cpu · {number(plan.memory_gb)} GB{disk}"
        rows.append(content(Piece("Total    ", "dim"), Piece(total, "bright")))
    rows += _cost(plan)
    rows += [
        content(Piece("Expires  ", "dim"), Piece(f"{duration(first.timeout_minutes * 60)} after it starts")),
        content(Piece("Network  ", "dim"), outside(_network(first))),
        *_others(first),
        _list("Labels", [label for label in first.labels if not label.startswith(LAUNCH_LABEL)], "info"),
        _list("Env", list(first.environment_vars or {})),
        _list("Secrets", list(first.secrets or {})),
    ]
    if many > 1:
        rows += [content(""), content(Piece(f"Label {LAUNCH_LABEL}{plan.launch_id} is added to all", "dim"))]
    return rows


def _cost(plan: LaunchPlan) -> list[Content]:
    """Return what the launch would cost by the rates of the settings."""
    prices = [current_rates().per_hour(request) for request in plan.requests]
    known = [price for price in prices if price is not None]
    if not known:
        return []
    rest = f", {len(prices) - len(known):,} without a price" if len(known) < len(prices) else ""
    return [content(Piece("Cost     ", "dim"), Piece(f"about {money(sum(known))} an hour{rest}"))]


def _files(first: CreateSandboxRequest, plan: LaunchPlan) -> list[Content]:
    """Return where the files come from: an image, or a checkpoint."""
    if first.checkpoint_id:
        return [_line("Files", f"checkpoint {first.checkpoint_id}", plan, lambda request: request.checkpoint_id)]
    return [_line("Image", first.docker_image, plan, lambda request: request.docker_image)]


def _line(label: str, value: str, plan: LaunchPlan, of: object) -> Content:
    assert callable(of)
    different = len({of(request) for request in plan.requests})
    more = f" and {different - 1} more" if different > 1 else ""
    return content(Piece(f"{label:<9}", "dim"), outside(value), Piece(more, "dim"))


def _list(label: str, values: list[str], role: Role = "text") -> Content:
    shown = outside("  ".join(values), role) if values else Piece("none", "dim")
    return content(Piece(f"{label:<9}", "dim"), shown)


def _others(request: CreateSandboxRequest) -> list[Content]:
    rows = []
    for line in FIELDS:
        if line.entry is not None and line.id not in IN_WORDS:
            text = line.entry.write(request)
            if text != line.default:
                rows.append(content(Piece(f"{line.label:<8} ", "dim"), outside(text)))
    return rows


def _size(request: CreateSandboxRequest) -> str:
    disk = "disk of the checkpoint" if request.checkpoint_id else f"{number(request.disk_size_gb)} GB disk"
    text = f"{number(request.cpu_cores)} cpu · {number(request.memory_gb)} GB · {disk}"
    return f"{text} · {request.gpu_count} {request.gpu_type}" if request.gpu_count else text


def _network(request: CreateSandboxRequest) -> str:
    if request.network_allowlist is not None:
        return f"only {' '.join(request.network_allowlist)}"
    if request.network_denylist is not None:
        return f"not {' '.join(request.network_denylist)}"
    return "open" if request.network_access else "blocked"
