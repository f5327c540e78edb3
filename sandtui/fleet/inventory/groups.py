"""Rows grouped by a shared value, with sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from sandtui.client.models import SandboxStatus
from sandtui.fleet.deaths.cause import cause_of
from sandtui.fleet.fields import FIELDS, Field
from sandtui.fleet.inventory.row import COSTING, STATUS_ORDER, Row
from sandtui.leases import PREFIX as LEASE_LABEL

GROUP_PREFIX = "group\0"
"""Begins the id of a group's line; no sandbox id holds a NUL."""


@dataclass(slots=True, eq=False)
class Group:
    """Rows that share a value. Cores and gigabytes are those in use now."""

    key: str
    rows: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cores: float = 0.0
    memory_gb: float = 0.0
    gpus: int = 0
    per_hour: float | None = None
    collapsed: bool = False

    @property
    def id(self) -> str:
        """The id of the group's line."""
        return GROUP_PREFIX + self.key

    @property
    def version(self) -> tuple[object, ...]:
        """Changes whenever the line looks different."""
        return (self.collapsed, self.cores, self.memory_gb, self.gpus, self.per_hour, *sorted(self.counts.items()))

    def add(self, row: Row) -> None:
        """Add a row."""
        self.rows.append(row)
        self.counts[row.status] += 1
        sandbox = row.sandbox
        if sandbox.status in COSTING:
            self.cores += sandbox.cpu_cores
            self.memory_gb += sandbox.memory_gb
            self.gpus += sandbox.gpu_count
            if (price := row.per_hour) is not None:
                self.per_hour = (self.per_hour or 0.0) + price


@dataclass(frozen=True, slots=True)
class Grouping:
    """A way to group rows by the text that ``key`` returns. ``letter`` chooses it in menus; the others are numbered."""

    id: str
    title: str
    key: Callable[[Row], str]
    letter: str = ""


NONE = "none"


MOST_OF_A_REASON = 80


def _reason(row: Row) -> str:
    """Return why a sandbox ended, without what only this one has: its name and id, and all but the first line."""
    first = next(iter(row.reason.strip().splitlines()), "")
    for own in filter(None, (row.id, row.name)):
        first = first.replace(own, "…")
    return first[:MOST_OF_A_REASON].strip() or NONE


def _by_field(field: Field) -> Grouping:
    if field.name == "labels":
        return Grouping("label", field.group, lambda row: row.sandbox.labels[0] if row.sandbox.labels else NONE)
    if field.name == "status":
        return Grouping("status", field.group, lambda row: row.status)
    if field.group == "reason":
        return Grouping("reason", field.group, _reason, "r")
    if field.group == "owner":
        return Grouping("owner", field.group, lambda row: row.owner or NONE, "o")
    value = attrgetter(f"sandbox.{field.name}")
    return Grouping(field.group, field.group, lambda row: value(row) or NONE)


GROUPINGS: tuple[Grouping, ...] = (
    *(_by_field(field) for field in FIELDS if field.group),
    Grouping("cause", "cause", lambda row: cause_of(row.sandbox) if row.sandbox.is_finished else NONE, "c"),
)


def by_label_key(name: str) -> Grouping:
    """Return the grouping by the value of labels such as ``run=42``, whose name is ``run``."""
    beginning = f"{name}="

    def key(row: Row) -> str:
        return next((label for label in row.sandbox.labels if label.startswith(beginning)), NONE)

    return Grouping(f"label:{name}", f"label {name}=", key)


def groupings(labels: Iterable[str], most: int = 8) -> list[Grouping]:
    """Return the ways to group that make sense for a fleet with these labels."""
    names = Counter(label.partition("=")[0] for label in labels if "=" in label and not label.startswith(LEASE_LABEL))
    return [*GROUPINGS, *(by_label_key(name) for name, _ in names.most_common(most) if name)]


def grouping(identity: str) -> Grouping | None:
    """Return a grouping by its id, or None."""
    if identity.startswith("label:"):
        return by_label_key(identity.removeprefix("label:"))
    return next((each for each in GROUPINGS if each.id == identity), None)


def make_groups(rows: Iterable[Row], by: Grouping, collapsed: Iterable[str] = ()) -> list[Group]:
    """Group rows, keeping their order; larger groups come first, statuses by urgency, reasons with errors first."""
    groups: dict[str, Group] = {}
    closed = set(collapsed)
    for row in rows:
        key = by.key(row)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(key, collapsed=key in closed)
        group.add(row)
    if by.id == "status":
        ranks = {status: rank for rank, status in enumerate(STATUS_ORDER)}
        return sorted(groups.values(), key=lambda group: (ranks.get(group.key, len(ranks)), group.key))
    of_errors = by.id in {"reason", "cause"}
    return sorted(
        groups.values(),
        key=lambda group: (
            group.key == NONE,
            of_errors and not group.counts[SandboxStatus.ERROR],
            -len(group.rows),
            group.key,
        ),
    )


def lines_of(groups: Sequence[Group]) -> list[Group | Row]:
    """Return the lines of the groups: each header, and its rows unless it is collapsed."""
    lines: list[Group | Row] = []
    for group in groups:
        lines.append(group)
        if not group.collapsed:
            lines += group.rows
    return lines
