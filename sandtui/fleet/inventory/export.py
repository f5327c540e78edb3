"""Sandboxes as a table for other programs. Environment and secrets stay out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import datetime

from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import GIGABYTE, Measured

FIELDS = (
    "id",
    "name",
    "status",
    "docker_image",
    "cpu_cores",
    "memory_gb",
    "disk_size_gb",
    "gpu_count",
    "gpu_type",
    "vm",
    "labels",
    "created_at",
    "started_at",
    "expires_at",
    "terminated_at",
    "error_type",
    "error_message",
    "exit_code",
    "region",
    "user_id",
    "team_id",
    "used_cores",
    "used_memory_gb",
    "measured_at",
)
"""The last three are what was measured, if anything was: a mean since the start, and the memory at that time."""


_MEASURED: dict[str, Callable[[Measured], object]] = {
    "used_cores": lambda measured: None if measured.cores is None else round(measured.cores, 4),
    "used_memory_gb": lambda measured: None if measured.memory is None else round(measured.memory / GIGABYTE, 4),
    "measured_at": lambda measured: measured.moment,
}


def records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return the fields of some rows; times are in ISO 8601."""
    return [{name: _value(row, name) for name in FIELDS} for row in rows]


def as_json(rows: Iterable[Row]) -> str:
    """Return a JSON list of objects."""
    return json.dumps(records(rows), indent=2, ensure_ascii=False) + "\n"


def as_csv(rows: Iterable[Row]) -> str:
    """Return CSV with a head; labels are joined by blanks."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for record in records(rows):
        writer.writerow(record | {"labels": " ".join(record["labels"])})  # type: ignore[arg-type]
    return text.getvalue()


def _value(row: Row, name: str) -> object:
    if name == "status":
        return row.status
    if name in _MEASURED:
        value = None if row.measured is None else _MEASURED[name](row.measured)
    else:
        value = getattr(row.sandbox, name)
    return value.isoformat() if isinstance(value, datetime) else value
