"""From the fields of a form to sandboxes with the files of a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sandtui.client.models import CreateSandboxRequest, Sandbox
from sandtui.fleet.creation.form import DEFAULTS, draft_from
from sandtui.fleet.creation.launch_plan import LaunchPlan

OF_CHECKPOINT: Final = frozenset({"docker_image", "disk_size_gb"})
"""Fields of a request that a checkpoint decides."""

_INHERITED: Final = (
    "docker_image", "cpu_cores", "memory_gb", "gpu_count", "gpu_type", "kind", "timeout_minutes", "network", "labels",
    "region", "team_id",
)  # fmt: skip


def fork_fields(source: Sandbox) -> dict[str, str]:
    """Return the form's text for forks of a sandbox: its sizes, labels, lifetime and network rules.

    Its variables, secrets and start command are not taken along, as with `prime sandbox fork`.
    """
    draft = draft_from(source)
    # Labels of launches group what was created together.
    inherited = {name: text for name, text in draft.items() if name in _INHERITED}
    return {**DEFAULTS, **inherited, "name": f"{source.name or source.id}-fork"}


def from_checkpoint(plan: LaunchPlan, checkpoint_id: str) -> LaunchPlan:
    """Return the plan with the files of a checkpoint in place of its images."""
    return replace(plan, requests=tuple(_restoring(request, checkpoint_id) for request in plan.requests))


def _restoring(request: CreateSandboxRequest, checkpoint_id: str) -> CreateSandboxRequest:
    kept = request.model_fields_set - OF_CHECKPOINT
    return CreateSandboxRequest.model_validate(
        {**{name: getattr(request, name) for name in kept}, "checkpoint_id": checkpoint_id}
    )
