"""What the create form offers for a field: values of the fleet, values used before, and the user's own images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from sandtui.fleet.creation.form import BY_ID, FIELDS
from sandtui.fleet.fields import LAUNCH_LABEL
from sandtui.fleet.inventory.store import FleetStore
from sandtui.leases import PREFIX as LEASE_LABEL

MAX_ROWS = 5000
"""Rows that are searched for values: opening the form must not take longer than a key may."""

MAX_CHOICES = 8

VOLUMES = "volumes"


class FormChoices:
    """The choices at the time when the form was opened. ``catalogue`` are images from the settings."""

    def __init__(self, store: FleetStore, catalogue: Sequence[str]) -> None:
        learned = [line.id for line in FIELDS if line.entry is not None and line.entry.learned]
        found: dict[str, Counter[str]] = {name: Counter() for name in learned}
        for row in islice(store, MAX_ROWS):
            sandbox = row.sandbox
            for name, counts in found.items():
                if value := getattr(sandbox, name):
                    counts[value] += 1
        self._values = {name: [value for value, _ in counts.most_common()] for name, counts in found.items()}
        self._catalogue = list(catalogue)
        self._values["labels"] = [
            label for label, _ in store.totals.labels.most_common() if not label.startswith((LAUNCH_LABEL, LEASE_LABEL))
        ]

    def add_images(self, images: Sequence[str]) -> None:
        """Offer images of earlier launches, the latest first, before those of the fleet."""
        self._values["docker_image"] = [*images, *self._values["docker_image"]]

    def add(self, field: str, values: Sequence[str]) -> None:
        """Offer what the platform has, after what is known already."""
        known = self._values.setdefault(field, [])
        known += [value for value in values if value not in known]

    def of(self, field: str, word: str) -> list[str]:
        """Return what matches a word, the best first: what begins with it, then what contains it."""
        entry = BY_ID[field].entry
        known = [*self._values.get(field, ()), *(entry.choices if entry is not None else ())]
        if field == VOLUMES:
            known = _mounts(known, word)
        if field == "docker_image":
            known += self._catalogue
        lowered = word.lower()
        begins = [value for value in known if value.lower().startswith(lowered)]
        contains = [value for value in known if lowered in value.lower()]
        return list(dict.fromkeys([*begins, *contains]))[:MAX_CHOICES]


def _mounts(names: Sequence[str], word: str) -> list[str]:
    """Return how volumes may be attached: at a path of their name or at the one that was typed, also to read only."""
    name, _, rest = word.partition(":")
    path, colon, _ = rest.partition(":")
    if name in names and path.startswith("/"):
        return [f"{name}:{path}:ro"] if colon else [word, f"{word}:ro"]
    return [f"{name}:/{name}{mode}" for name in names for mode in ("", ":ro")]
