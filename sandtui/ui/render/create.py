"""The review beside the create form, and the form filled like a sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from sandtui.client import Sandbox
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.fleet.create_form import BY_ID, FormResult
from sandtui.fleet.sanitize import clean
from sandtui.ui.render.text import Content, Piece, content, lines, outside
from sandtui.ui.render.units import duration, number


def review(result: FormResult, problems: Mapping[str, str], where: str) -> Content:
    """Return what will be made, or what is still wrong."""
    rows: list[Content] = []
    request = result.request
    if request is not None:
        rows += [
            content(Piece("Will create ", "dim"), outside(request.name, "bright")),
            content(Piece("on ", "dim"), outside(where or "the platform")),
            content(""),
            content(Piece("Image    ", "dim"), outside(request.docker_image)),
            content(
                Piece("Size     ", "dim"),
                Piece(
                    f"{number(request.cpu_cores)} cpu · {number(request.memory_gb)} GB · "
                    f"{number(request.disk_size_gb)} GB disk"
                ),
            ),
            content(Piece("Expires  ", "dim"), Piece(f"{duration(request.timeout_minutes * 60)} after it starts")),
            content(Piece("Network  ", "dim"), Piece("open" if request.network_access else "blocked")),
            content(Piece("Labels   ", "dim"), outside("  ".join(request.labels) or "none", "info")),
            content(Piece("Env      ", "dim"), outside("  ".join(request.environment_vars or {}) or "none")),
            content(Piece("Secrets  ", "dim"), outside("  ".join(request.secrets or {}) or "none")),
        ]
    if problems:
        rows += [content(""), content(Piece("Problems", "bad"))] if rows else [content(Piece("Problems", "bad"))]
        for field, words in problems.items():
            label = BY_ID[field].label if field in BY_ID else clean(field)
            rows.append(content(Piece(f"  ✖ {label}: {clean(words)}", "bad")))
    return lines(rows)


def problem_text(problems: Mapping[str, str], field: str) -> str | None:
    """Return the words for a field."""
    return problems.get(field)


def draft_from(sandbox: Sandbox) -> dict[str, str]:
    """Return the form's fields as they would make a sandbox like this one; secrets are never known."""
    command = sandbox.start_command
    if isinstance(command, dict):
        command = shlex.join([str(command.get("executable", "")), *map(str, command.get("args") or [])])
    variables = sandbox.environment_vars or {}
    draft = {
        "name": f"{sandbox.name[:95]}-copy",
        "docker_image": sandbox.docker_image,
        "start_command": "" if not command or command == DEFAULT_START_COMMAND else command,
        "labels": " ".join(sandbox.labels),
        "cpu_cores": number(sandbox.cpu_cores),
        "memory_gb": number(sandbox.memory_gb),
        "disk_size_gb": number(sandbox.disk_size_gb),
        "timeout_minutes": f"{sandbox.timeout_minutes}m",
        "idle_timeout_minutes": f"{sandbox.idle_timeout_minutes}m" if sandbox.idle_timeout_minutes else "",
        "environment_vars": " ".join(f"{key}={shlex.quote(value or '')}" for key, value in variables.items()),
        "network_access": "yes" if sandbox.network_access else "no",
    }
    return {key: clean(value) for key, value in draft.items()}
