"""What the create form offers for a field: what the fleet has, what was used before, and the user's catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from sandtui.fleet.creation.launch_plan import LAUNCH_LABEL
from sandtui.fleet.inventory.store import FleetStore

MOST_ROWS = 5000
"""Rows looked through for values: opening the form must not take longer than a key may."""

MOST_CHOICES = 8

_FIXED: Mapping[str, Sequence[str]] = {
    "kind": ("container", "vm"),
    "network": ("open", "blocked", "allow ", "deny "),
    "timeout_minutes": ("30m", "1h", "4h", "8h", "24h"),
    "idle_timeout_minutes": ("15m", "30m", "1h"),
    "gpu_type": ("H100_80GB", "RTX_PRO_6000B_96GB"),
}


class FormChoices:
    """The choices, as they were when the form was opened. ``catalogue`` are images from the settings."""

    def __init__(self, store: FleetStore, catalogue: Sequence[str]) -> None:
        found: dict[str, Counter[str]] = {name: Counter() for name in ("docker_image", "gpu_type", "region", "team_id")}
        for row in islice(store, MOST_ROWS):
            sandbox = row.sandbox
            for name, counts in found.items():
                if value := getattr(sandbox, name):
                    counts[value] += 1
        self._values = {name: [value for value, _ in counts.most_common()] for name, counts in found.items()}
        self._catalogue = list(catalogue)
        self._values["labels"] = [
            label for label, _ in store.totals.labels.most_common() if not label.startswith(LAUNCH_LABEL)
        ]

    def add_images(self, images: Sequence[str]) -> None:
        """Offer images of earlier launches, the latest first, before those of the fleet."""
        self._values["docker_image"] = [*images, *self._values["docker_image"]]

    def of(self, field: str, word: str) -> list[str]:
        """Return what fits a word, the best first: what begins with it, then what holds it."""
        known = [*self._values.get(field, ()), *_FIXED.get(field, ())]
        if field == "docker_image":
            known += self._catalogue
        lowered = word.lower()
        begins = [value for value in known if value.lower().startswith(lowered)]
        holds = [value for value in known if lowered in value.lower()]
        return list(dict.fromkeys([*begins, *holds]))[:MOST_CHOICES]
