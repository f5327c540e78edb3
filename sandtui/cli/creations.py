"""How the command line prints sandboxes that are being created."""

from __future__ import annotations

from dataclasses import dataclass

from sandtui.cli.output import ObjectKind, TextCell, TextColumn
from sandtui.client.models import CreateSandboxRequest
from sandtui.fleet.inventory.masking import masked, masked_command, masked_values
from sandtui.fleet.text.units import duration, number

_STATES = {"starting": "created"}
_ROLES = {"created": "busy", "ready": "good", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class CreationLine:
    """A request, and what has become of it."""

    request: CreateSandboxRequest
    id: str | None
    step: str
    problem: str = ""

    @property
    def state(self) -> str:
        """One of planned, created, ready, failed."""
        return _STATES.get(self.step, self.step)


def _state(creation: CreationLine) -> TextCell:
    text = f"{creation.state}: {creation.problem}" if creation.problem else creation.state
    return TextCell(text, _ROLES.get(creation.state, ""))


def _size(request: CreateSandboxRequest) -> str:
    text = f"{number(request.cpu_cores)}c/{number(request.memory_gb)}G"
    return f"{text}+{request.gpu_count}gpu" if request.gpu_count else text


def _lifetime(request: CreateSandboxRequest) -> str | None:
    return duration(request.timeout_minutes * 60) if request.timeout_minutes > 0 else None


def record(creation: CreationLine) -> dict[str, object]:
    """Return the JSON object: of a plan, all that would be sent."""
    if creation.state == "planned":
        sent = creation.request.model_dump(exclude_none=True, mode="python", exclude={"idempotency_key"})
        sent |= {name: masked_values(sent[name]) for name in ("environment_vars", "secrets") if sent.get(name)}
        sent["start_command"] = masked_command(sent.get("start_command"))
        sent |= {"advanced_configs": masked(sent["advanced_configs"])} if sent.get("advanced_configs") else {}
        return {"name": creation.request.name, "state": "planned", **sent}
    return {
        "name": creation.request.name,
        "id": creation.id,
        "state": creation.state,
        "error": creation.problem or None,
    }


CREATIONS: ObjectKind[CreationLine] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="ID", cell=lambda made, _: made.id, keep=1),
        TextColumn(id="name", heading="NAME", cell=lambda made, _: made.request.name, least=12),
        TextColumn(id="state", heading="STATE", cell=lambda made, _: _state(made), least=20),
        TextColumn(
            id="image",
            heading="IMAGE",
            cell=lambda made, _: made.request.docker_image or made.request.checkpoint_id,
            least=12,
            keep=3,
        ),
        TextColumn(id="size", heading="SIZE", cell=lambda made, _: _size(made.request), keep=3),
        TextColumn(id="labels", heading="LABELS", cell=lambda made, _: " ".join(made.request.labels), least=10, keep=4),
        TextColumn(
            id="left",
            heading="TTL",
            cell=lambda made, _: (
                duration(made.request.timeout_minutes * 60) if made.request.timeout_minutes > 0 else None
            ),
            keep=5,
        ),
    ),
    record=record,
    name=lambda made: made.request.name,
    fields={
        "name": "Name",
        "id": "ID",
        "state": "created, ready or failed; with --dry-run planned",
        "error": "why it failed, or null",
        "…": "with --dry-run, all that would be sent; values of variables and secrets are hidden",
    },
)
"""What is printed of each sandbox that is created."""
