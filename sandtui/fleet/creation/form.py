"""From the text of the create form to a request, or to what is wrong beside each field (client/WIRE.md 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from sandtui.client.models import CreateSandboxRequest, Sandbox
from sandtui.client.models.bounds import Bounds
from sandtui.fleet.creation.values import (
    FieldProblem,
    only_references,
    start_command,
    whole_number,
    without_secret_looking,
)
from sandtui.fleet.fields import FIELDS as SANDBOX_FIELDS
from sandtui.fleet.fields import SECTIONS, FormEntry, Requested
from sandtui.fleet.text.sanitize import clean

VARIABLES, SECRETS = "environment_vars", "secrets"
"""The fields of variables and secrets."""

OF_CHECKPOINT = frozenset({"docker_image", "disk_size_gb"})
"""Fields of a request that a checkpoint decides."""

COUNT = Bounds(1, 1000)
"""How many sandboxes one launch may create."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A line of the form. ``hint`` says what is allowed. ``entry`` is None for what is about the launch."""

    id: str
    label: str
    section: str
    default: str = ""
    hint: str = ""
    secret: bool = False
    entry: FormEntry | None = None


PLAN = (
    FormField("count", "Count", "Fleet", "1", str(COUNT)),
    FormField("start", "Start index", "Fleet", "1", "first value of {i}"),
    FormField("matrix", "Matrix", "Fleet", "", "memory_gb=2,4 SEED=1,2,3"),
)
"""What is asked about the launch rather than about one sandbox."""


def _fields() -> tuple[FormField, ...]:
    asked = [
        FormField(entry.id or each.name, each.title, entry.section, entry.default, entry.hint, entry.secret, entry)
        for each in SANDBOX_FIELDS
        if (entry := each.form) is not None
    ]
    return tuple(sorted([*asked, *PLAN], key=lambda line: SECTIONS.index(line.section)))


FIELDS: tuple[FormField, ...] = _fields()

BY_ID: Mapping[str, FormField] = {line.id: line for line in FIELDS}

DEFAULTS: Mapping[str, str] = {line.id: line.default for line in FIELDS}

PLAN_FIELDS = frozenset(line.id for line in PLAN)


@dataclass(frozen=True, slots=True)
class FormResult:
    """A request, or what is wrong, by field."""

    request: CreateSandboxRequest | None
    problems: Mapping[str, str] = field(default_factory=dict)


def read_form(values: Mapping[str, str]) -> FormResult:
    """Check every field that is about a sandbox and, if all are valid, build the request.

    Fields that ``values`` leaves out have their defaults.
    """
    problems: dict[str, str] = {}
    parsed: dict[str, object] = {}
    for line in FIELDS:
        if line.entry is None:
            continue
        try:
            value = line.entry.read(values.get(line.id, line.default).strip())
        except FieldProblem as problem:
            problems[line.id] = str(problem)
        else:
            parsed |= value if line.entry.spreads and isinstance(value, dict) else {line.id: value}
    if parsed.get("checkpoint_id"):
        # It has both, whatever is typed for another time.
        for name in OF_CHECKPOINT:
            problems.pop(name, None)
            parsed.pop(name, None)
    problems |= _contradictions(parsed)
    if "start_command" in parsed:
        try:
            parsed["start_command"] = start_command(str(parsed["start_command"]), vm=bool(parsed.get("vm")))
        except FieldProblem as problem:
            problems["start_command"] = str(problem)
    if problems:
        return FormResult(None, problems)
    given = {key: value for key, value in parsed.items() if value is not None}
    # A VM without a command gets None: if it were left out, the request would have a container's.
    given["start_command"] = parsed["start_command"]
    try:
        request = CreateSandboxRequest.model_validate(given)
    except ValidationError as error:
        return FormResult(None, {str((*row["loc"], "name")[0]): row["msg"] for row in error.errors()})
    return FormResult(request)


def saved_text(field_id: str, text: str) -> str:
    """Return the text of a field that may be saved: of secrets the references, no variable that looks like a secret."""
    if BY_ID[field_id].secret:
        return only_references(text)
    return without_secret_looking(text) if field_id == VARIABLES else text


def values_like(sandbox: Requested) -> dict[str, str]:
    """Return the form's text for a sandbox like another one. Secrets are unknown, and the name is that of a copy."""
    return {line.id: clean(line.entry.write(sandbox)) for line in FIELDS if line.entry is not None}


def draft_from(sandbox: Sandbox) -> dict[str, str]:
    """Return the form's text for a clone; what has no limit gets the default lifetime."""
    return {key: value for key, value in values_like(sandbox).items() if value or not DEFAULTS[key]}


def read_count(text: str) -> int:
    """Read how many sandboxes to create.

    Raises:
        FieldProblem: it is not 1 to 1000.
    """
    return whole_number(COUNT)(text.strip())


def _contradictions(parsed: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong between fields that are valid one by one."""
    problems: dict[str, str] = {}
    ends, idle = parsed.get("timeout_minutes"), parsed.get("idle_timeout_minutes")
    if isinstance(ends, int) and isinstance(idle, int) and idle > ends:
        problems["idle_timeout_minutes"] = f"must be at most the lifetime ({ends}m)"
    gpus, gpu_type, is_container = parsed.get("gpu_count"), parsed.get("gpu_type"), parsed.get("vm") is False
    if gpus and "gpu_type" in parsed and not gpu_type:
        problems["gpu_type"] = "required with GPUs"
    if gpu_type and gpus == 0:
        problems["gpu_count"] = "must be at least 1 with a GPU type"
    if gpus and is_container:
        problems["kind"] = "GPUs need kind vm"
    if is_container and ("network_allowlist" in parsed or "network_denylist" in parsed):
        problems["network"] = "lists of hosts need kind vm"
    return problems
