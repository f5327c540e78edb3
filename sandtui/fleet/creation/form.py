"""From what is typed into the create form to a request, or to the words beside each field (client/WIRE.md 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from sandtui.client.models import CreateSandboxRequest
from sandtui.client.models.sandbox import MAX_LIFETIME_MINUTES
from sandtui.fleet.creation.values import (
    FieldProblem,
    environment,
    hosts,
    image,
    kind,
    lifetime,
    number,
    secret_values,
    start_command,
    whole_number,
    words,
)


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of the form. ``hint`` tells what is allowed, ``section`` where it stands."""

    id: str
    label: str
    section: str
    default: str = ""
    hint: str = ""
    secret: bool = False


FIELDS: tuple[FormField, ...] = (
    FormField("name", "Name", "Basics", "sandbox", "rollout-{i:03} for several"),
    FormField("docker_image", "Image", "Basics", "python:3.11-slim", "name:tag"),
    FormField("start_command", "Command", "Basics", "", "empty keeps it idle and ready"),
    FormField("labels", "Labels", "Basics", "", "separated by blanks"),
    FormField("count", "Count", "Fleet", "1", "1 to 1000"),
    FormField("start", "First number", "Fleet", "1", "where {i} begins"),
    FormField("matrix", "Matrix", "Fleet", "", "memory_gb=2,4 SEED=1,2,3"),
    FormField("cpu_cores", "CPU cores", "Resources", "1", "0.1 to 16"),
    FormField("memory_gb", "Memory GB", "Resources", "2", "0.1 to 64"),
    FormField("disk_size_gb", "Disk GB", "Resources", "5", "0.1 to 1000"),
    FormField("gpu_count", "GPUs", "Resources", "0", "0 to 8; need a type and a VM"),
    FormField("gpu_type", "GPU type", "Resources", "", "H100_80GB"),
    FormField("timeout_minutes", "Lifetime", "Lifetime", "1h", "90m, 24h: 1m to 24h"),
    FormField("idle_timeout_minutes", "Idle limit", "Lifetime", "", "empty: none"),
    FormField("network", "Network", "Placement", "open", "open blocked, allow X, deny X"),
    FormField("kind", "Kind", "Placement", "container", "container or vm"),
    FormField("team_id", "Team", "Placement", "", "empty: the context's"),
    FormField("region", "Region", "Placement", "", "empty: any"),
    FormField("environment_vars", "Variables", "Environment", "", "paste a whole .env"),
    FormField("secrets", "Secrets", "Environment", "", "paste a whole .env", secret=True),
)

BY_ID: Mapping[str, FormField] = {entry.id: entry for entry in FIELDS}

DEFAULTS: Mapping[str, str] = {entry.id: entry.default for entry in FIELDS}

PLAN_FIELDS = frozenset({"count", "start", "matrix"})
"""Fields that are about the launch and not about one sandbox."""

MAX_COUNT = 1000


@dataclass(frozen=True, slots=True)
class FormResult:
    """A request, or what is wrong, by field."""

    request: CreateSandboxRequest | None
    problems: Mapping[str, str] = field(default_factory=dict)


def read_form(values: Mapping[str, str]) -> FormResult:
    """Check every field that is about a sandbox and, when all are good, build the request.

    ``values`` may leave fields out: they have their defaults then.
    """
    problems: dict[str, str] = {}
    parsed: dict[str, object] = {}
    for entry in FIELDS:
        if entry.id in PLAN_FIELDS:
            continue
        try:
            parsed[entry.id] = _READERS[entry.id](values.get(entry.id, entry.default).strip())
        except FieldProblem as problem:
            problems[entry.id] = str(problem)
    problems |= _contradictions(parsed)
    if "start_command" in parsed:
        try:
            parsed["start_command"] = start_command(str(parsed["start_command"]), parsed.get("kind"))
        except FieldProblem as problem:
            problems["start_command"] = str(problem)
    if problems:
        return FormResult(None, problems)
    network = parsed.pop("network")
    assert isinstance(network, dict)
    given = {key: value for key, value in {**parsed, **network}.items() if value is not None}
    # A VM without a command gets none: left out, the request would say that it is a container's.
    given["start_command"] = parsed["start_command"]
    given["vm"] = given.pop("kind") == "vm"
    try:
        request = CreateSandboxRequest.model_validate(given)
    except ValidationError as error:
        return FormResult(None, {str((*row["loc"], "name")[0]): row["msg"] for row in error.errors()})
    return FormResult(request)


def read_count(text: str) -> int:
    """Read how many are to be made.

    Raises:
        FieldProblem: it is not 1 to 1000.
    """
    return whole_number(1, MAX_COUNT)(text.strip())


def _contradictions(parsed: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong between fields that are each right."""
    problems: dict[str, str] = {}
    ends, idle = parsed.get("timeout_minutes"), parsed.get("idle_timeout_minutes")
    if isinstance(ends, int) and isinstance(idle, int) and idle > ends:
        problems["idle_timeout_minutes"] = f"at most the lifetime ({ends}m)"
    gpus, gpu_type, what = parsed.get("gpu_count"), parsed.get("gpu_type"), parsed.get("kind")
    if gpus and "gpu_type" in parsed and not gpu_type:
        problems["gpu_type"] = "which GPU?"
    if gpu_type and gpus == 0:
        problems["gpu_count"] = "how many of them?"
    if gpus and what == "container":
        problems["kind"] = "GPUs need a vm"
    network = parsed.get("network")
    if isinstance(network, dict) and "network_access" not in network and what == "container":
        problems["network"] = "lists of hosts need a vm"
    return problems


def _name(text: str) -> str:
    if not 1 <= len(text) <= 100:
        raise FieldProblem(f"{len(text)} characters: 100 at most" if text else "a name is needed")
    return text


_READERS: Mapping[str, Callable[[str], object]] = {
    "name": _name,
    "docker_image": image,
    "start_command": lambda text: text,
    "labels": words,
    "cpu_cores": number(0.1, 16),
    "memory_gb": number(0.1, 64),
    "disk_size_gb": number(0.1, 1000),
    "gpu_count": lambda text: whole_number(0, 8)(text or "0"),
    "gpu_type": lambda text: text or None,
    "timeout_minutes": lambda text: lifetime(text, MAX_LIFETIME_MINUTES),
    "idle_timeout_minutes": lambda text: lifetime(text, MAX_LIFETIME_MINUTES) if text else None,
    "network": hosts,
    "kind": kind,
    "team_id": lambda text: text or None,
    "region": lambda text: text or None,
    "environment_vars": environment,
    "secrets": secret_values,
}
