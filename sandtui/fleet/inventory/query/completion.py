"""Completion for the filter: fields, statuses, and the labels, images and users of the fleet."""

from __future__ import annotations

from collections.abc import Iterable

from sandtui.client.models import SandboxStatus
from sandtui.fleet.fields import FILTERS
from sandtui.fleet.inventory.query.parser import COMPARED, KEYS
from sandtui.fleet.inventory.row import DELETING, Row

STATUSES = (*(str(status).lower() for status in SandboxStatus), DELETING.lower())
_OPENINGS = (
    *(f"{key}:" for key in KEYS),
    "mine",
    "orphaned",
    "untouched",
    "unmeasured",
    *(f"{name}>" for name in COMPARED),
)
_MAX_ROWS = 5000
"""Rows that are searched for values; a suggestion must not delay the next key."""


def complete(text: str, labels: Iterable[str], rows: Iterable[Row]) -> str | None:
    """Return the line with its last word completed, or None. Values come from the fleet."""
    last = text.rsplit(maxsplit=1)[-1] if text and not text[-1].isspace() else ""
    sign = last[:1] if last[:1] in ("!", "-", "(") else ""
    word = last[len(sign) :]
    if not word:
        return None
    whole = _complete(word, labels, rows)
    if whole is None or whole == word or any(letter.isspace() for letter in whole):
        return None
    return text[: len(text) - len(word)] + whole


def _complete(word: str, labels: Iterable[str], rows: Iterable[Row]) -> str | None:
    if word.startswith("#"):
        return _first("#", word[1:], labels)
    key, colon, value = word.partition(":")
    if not colon:
        return _first("", word, _OPENINGS)
    key = key.lower()
    if key == "label":
        return _first("label:", value, labels)
    if key == "status":
        done, comma, last = value.rpartition(",")
        return _first(f"status:{done}{comma}", last, STATUSES)
    entry = FILTERS.get(key)
    if entry is None or entry.kind != "text" or not value:
        return None
    values = entry.completions or entry.value
    some = (values(row) for row, _ in zip(rows, range(_MAX_ROWS), strict=False))
    return _first(f"{key}:", value, (each for each in some if each))


def _first(start: str, beginning: str, choices: Iterable[str]) -> str | None:
    if not beginning:
        return None
    lowered = beginning.lower()
    fitting = [choice for choice in choices if choice.lower().startswith(lowered)]
    return start + min(fitting, key=lambda choice: (len(choice), choice)) if fitting else None
