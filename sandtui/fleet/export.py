"""Sandboxes as a table for other programs. Environment and secrets stay out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime

from sandtui.fleet.row import Row

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
)


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
    value = getattr(row.sandbox, name)
    return value.isoformat() if isinstance(value, datetime) else value
