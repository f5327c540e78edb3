"""The review beside the create form, and the form filled like a sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from sandtui.client import CreateSandboxRequest, Sandbox
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.fleet.creation.form import BY_ID
from sandtui.fleet.creation.launch_plan import LAUNCH_LABEL, LaunchPlan
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Content, Piece, Role, content, lines, outside
from sandtui.ui.rendering.units import duration, number

SHOWN_NAMES = 3


def review(plan: LaunchPlan, problems: Mapping[str, str], where: str) -> Content:
    """Return what will be made, or what is still wrong."""
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
        shown = names if many <= SHOWN_NAMES else [*names[: SHOWN_NAMES - 1], "…", names[-1]]
        rows += [content(Piece("  "), outside(name)) for name in shown]
    rows += [
        content(Piece("on ", "dim"), outside(where or "the platform")),
        content(""),
        _line("Image", first.docker_image, plan, lambda request: request.docker_image),
        _line("Each", _size(first), plan, _size),
    ]
    if many > 1:
        total = f"{number(plan.cores)} cpu · {number(plan.memory_gb)} GB · {number(plan.disk_gb)} GB disk"
        rows.append(content(Piece("Total    ", "dim"), Piece(total, "bright")))
    rows += [
        content(Piece("Expires  ", "dim"), Piece(f"{duration(first.timeout_minutes * 60)} after it starts")),
        content(Piece("Network  ", "dim"), outside(_network(first))),
        _list("Labels", [label for label in first.labels if not label.startswith(LAUNCH_LABEL)], "info"),
        _list("Env", list(first.environment_vars or {})),
        _list("Secrets", list(first.secrets or {})),
    ]
    if many > 1:
        rows += [content(""), content(Piece(f"All get the label {LAUNCH_LABEL}{plan.launch_id}", "dim"))]
    return rows


def _line(label: str, value: str, plan: LaunchPlan, of: object) -> Content:
    assert callable(of)
    different = len({of(request) for request in plan.requests})
    more = f" and {different - 1} more" if different > 1 else ""
    return content(Piece(f"{label:<9}", "dim"), outside(value), Piece(more, "dim"))


def _list(label: str, values: list[str], role: Role = "text") -> Content:
    shown = outside("  ".join(values), role) if values else Piece("none", "dim")
    return content(Piece(f"{label:<9}", "dim"), shown)


def _size(request: CreateSandboxRequest) -> str:
    text = f"{number(request.cpu_cores)} cpu · {number(request.memory_gb)} GB · {number(request.disk_size_gb)} GB disk"
    return f"{text} · {request.gpu_count} {request.gpu_type}" if request.gpu_count else text


def _network(request: CreateSandboxRequest) -> str:
    if request.network_allowlist is not None:
        return f"only {' '.join(request.network_allowlist)}"
    if request.network_denylist is not None:
        return f"not {' '.join(request.network_denylist)}"
    return "open" if request.network_access else "blocked"


def draft_from(sandbox: Sandbox) -> dict[str, str]:
    """Return the form's fields as they would make a sandbox like this one; secrets are never known."""
    command = sandbox.start_command
    if isinstance(command, dict):
        command = shlex.join([str(command.get("executable", "")), *map(str, command.get("args") or [])])
    variables = sandbox.environment_vars or {}
    network = "open" if sandbox.network_access else "blocked"
    if sandbox.network_allowlist is not None:
        network = f"allow {' '.join(sandbox.network_allowlist)}" if sandbox.network_allowlist else "blocked"
    elif sandbox.network_denylist:
        network = f"deny {' '.join(sandbox.network_denylist)}"
    draft = {
        "name": f"{sandbox.name[:95]}-copy",
        "docker_image": sandbox.docker_image,
        "start_command": "" if not command or command == DEFAULT_START_COMMAND else command,
        "labels": " ".join(label for label in sandbox.labels if not label.startswith(LAUNCH_LABEL)),
        "cpu_cores": number(sandbox.cpu_cores),
        "memory_gb": number(sandbox.memory_gb),
        "disk_size_gb": number(sandbox.disk_size_gb),
        "gpu_count": str(sandbox.gpu_count),
        "gpu_type": sandbox.gpu_type or "",
        "timeout_minutes": f"{sandbox.timeout_minutes}m",
        "idle_timeout_minutes": f"{sandbox.idle_timeout_minutes}m" if sandbox.idle_timeout_minutes else "",
        "environment_vars": " ".join(f"{key}={shlex.quote(value or '')}" for key, value in variables.items()),
        "network": network,
        "kind": "vm" if sandbox.vm else "container",
        "team_id": sandbox.team_id or "",
        "region": sandbox.region or "",
    }
    return {key: clean(value) for key, value in draft.items()}
