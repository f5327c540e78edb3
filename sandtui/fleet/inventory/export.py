"""Sandboxes as CSV or JSON for other programs, without environment and secrets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import attrgetter

from sandtui.fleet.fields import FIELDS
from sandtui.fleet.inventory.row import Row

EXPORTED: Mapping[str, Callable[[Row], object]] = {
    field.name: field.export or attrgetter(f"sandbox.{field.name}") for field in FIELDS if field.exported
}
"""The exported fields. Usage is None if not measured: a mean since the start, and the memory at that time."""


def records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return the fields of some rows; times are in ISO 8601."""
    return [{name: _plain(value(row)) for name, value in EXPORTED.items()} for row in rows]


def as_json(rows: Iterable[Row]) -> str:
    """Return a JSON list of objects."""
    return json.dumps(records(rows), indent=2, ensure_ascii=False) + "\n"


def as_csv(rows: Iterable[Row]) -> str:
    """Return CSV with a header; labels are separated by spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(EXPORTED), lineterminator="\n")
    writer.writeheader()
    for record in records(rows):
        writer.writerow(record | {"labels": " ".join(record["labels"])})  # type: ignore[arg-type]
    return text.getvalue()


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
