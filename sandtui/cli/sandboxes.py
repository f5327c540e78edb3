"""How the command line prints sandboxes: columns, JSON and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sandtui.cli.output import ObjectKind, TextCell, TextColumn
from sandtui.fleet.fields import COLUMNS, FIELDS, ColumnEntry
from sandtui.fleet.inventory.cost import cost_text
from sandtui.fleet.inventory.export import EXPORTED
from sandtui.fleet.inventory.masking import masked, masked_command, masked_values
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import share
from sandtui.fleet.text.units import duration, number, since
from sandtui.leases import without_lease

STATUS_ROLES = {
    "RUNNING": "good",
    "PROVISIONING": "busy",
    "PENDING": "busy",
    "PAUSED": "info",
    "DELETING": "dim",
    "ERROR": "bad",
    "TERMINATED": "dim",
    "TIMEOUT": "dim",
}

SOON_SECONDS = 600

FIRST = ("id", "name", "status", "image", "size", "labels", "age", "left")
"""The columns of an ordinary table, and their order: what other commands take comes first."""

WIDTHS_LEAST = {"name": 12, "image": 12, "labels": 10, "reason": 12}
"""What is cut down where a terminal is too narrow."""


def _status(row: Row, _: datetime) -> TextCell:
    return TextCell(row.status, STATUS_ROLES.get(row.status, "busy"))


def size_of(row: Row) -> str:
    """Return the cores, memory and GPUs: ``4c/8G``."""
    sandbox = row.sandbox
    text = f"{number(sandbox.cpu_cores)}c/{number(sandbox.memory_gb)}G"
    return f"{text}+{sandbox.gpu_count}gpu" if sandbox.gpu_count else text


def _age(row: Row, now: datetime) -> str | None:
    passed = since(row.sandbox.created_at, now)
    return None if passed is None else duration(passed)


def _left(row: Row, now: datetime) -> TextCell | None:
    passed = since(row.sandbox.expires_at, now)
    if passed is None:
        return None
    return TextCell(duration(-passed), "bad" if passed > -SOON_SECONDS else "")


def _ended(row: Row, now: datetime) -> str | None:
    return duration(now.timestamp() - row.ended) if row.ended else None


def _share(value: Callable[[Row], float | None]) -> Callable[[Row, datetime], str | None]:
    return lambda row, _: None if (found := value(row)) is None else share(found)


_CELLS: Mapping[str, Callable[[Row, datetime], TextCell | str | None]] = {
    "status": _status,
    "name": lambda row, _: row.name,
    "id": lambda row, _: row.id,
    "image": lambda row, _: row.sandbox.docker_image,
    "size": lambda row, _: size_of(row),
    "labels": lambda row, _: " ".join(without_lease(row.sandbox.labels)),
    "age": _age,
    "left": _left,
    "ended": _ended,
    "reason": lambda row, _: TextCell(row.reason, "bad") if row.status == "ERROR" else row.reason,
    "cost": lambda row, now: cost_text(row, now.timestamp()),
    "used": _share(lambda row: row.used),
    "memused": _share(lambda row: row.memory_used),
}
"""The columns that are more than a text of the table of fields."""

MEASURED = frozenset({"used", "memused"})
"""Columns that are known only after a measurement."""


def _column(entry: ColumnEntry) -> TextColumn[Row]:
    text = entry.text
    cell = _CELLS[entry.id] if text is None else lambda row, _: text(row)
    return TextColumn(
        id=entry.id,
        heading=entry.heading,
        cell=cell,
        wide=entry.id not in FIRST,
        right=entry.right,
        least=WIDTHS_LEAST.get(entry.id),
        keep=0 if entry.id == "id" else entry.keep + 1,
        sort=entry.sort,
        descending=entry.descending,
    )


def record(row: Row) -> dict[str, object]:
    """Return the JSON object of a sandbox: the fields of the exports, and all else that the platform said.

    Values of environment variables and secrets are hidden.
    """
    sandbox = row.sandbox
    found = {name: value(row) for name, value in EXPORTED.items() if name not in _MEASURED_FIELDS}
    own = {name: getattr(sandbox, name) for name in _OTHERS}
    own |= {name: masked_values(own[name]) for name in ("environment_vars", "secrets")}
    own["advanced_configs"] = masked(sandbox.advanced_configs or {}) or None
    own["start_command"] = masked_command(sandbox.start_command)
    return {**found, **own, **masked(sandbox.model_extra or {})}


_MEASURED_FIELDS = frozenset({"used_cores", "used_memory_gb", "measured_at"})

_OTHERS: Mapping[str, str] = {
    "start_command": "what it runs",
    "network_access": "whether it reaches the network",
    "network_allowlist": "the only hosts that it reaches",
    "network_denylist": "the hosts that it does not reach",
    "timeout_minutes": "its lifetime from its start",
    "idle_timeout_minutes": "when it ends unused",
    "environment_vars": "names of its variables; the values are hidden",
    "secrets": "names of its secrets; the values are hidden",
    "updated_at": "when the platform last changed it",
    "termination_reason": "why it ended",
    "kubernetes_job_id": "its job on the platform",
    "registry_credentials_id": "the credentials that its image was pulled with",
    "pending_image_build_id": "the build that it waits for",
    "advanced_configs": "further settings",
}
"""Fields of the JSON that the exports do not have."""

_WORDS: Mapping[str, str] = {
    "status": "PENDING, PROVISIONING, RUNNING, PAUSED, ERROR, TIMEOUT, TERMINATED, or what the platform says",
    "labels": "a list",
    "docker_image": "its image",
    "vm": "whether it is a VM rather than a container",
    "cpu_cores": "the cores that it has",
    "memory_gb": "the memory that it has",
    "disk_size_gb": "the disk that it has",
    "terminated_at": "when it ended; null while it has not",
    "error_message": "the same in words",
    "exit_code": "of its start command, if it ended",
    "user_id": "who created it",
    "created_at": "times are in ISO 8601",
    "expires_at": "the end of its lifetime; null without one",
    "error_type": "why it ended, such as OOM_KILLED",
    "disk_mount_path": "where its disk is",
}

FIELD_WORDS: Mapping[str, str] = {
    **{
        name: _WORDS.get(name, field.title)
        for field in FIELDS
        if (name := field.name) in EXPORTED and name not in _MEASURED_FIELDS
    },
    **_OTHERS,
    "…": "further fields as the platform returned them",
}

_BY_ID = {column.id: column for column in map(_column, COLUMNS) if column.id not in MEASURED}

SANDBOXES: ObjectKind[Row] = ObjectKind(
    columns=(
        *(_BY_ID[name] for name in FIRST),
        *(column for name, column in _BY_ID.items() if name not in FIRST),
    ),
    record=record,
    name=lambda row: row.name or row.id,
    fields=FIELD_WORDS,
)
