"""What an operation would do to which sandboxes, shown before it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sandtui.client.models import SandboxStatus
from sandtui.fleet.creation import values
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.ports.exposures import parse_exposure
from sandtui.leases import without_lease

TYPE_THE_COUNT_ABOVE = 10
LABELS_NAMED = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """An operation on many sandboxes. ``asks`` names the value that it needs, if any."""

    id: str
    title: str
    words: str
    possible: Callable[[Row], bool]
    dangerous: bool = True
    asks: str = ""
    example: str = ""
    warning: str = ""
    spares: Callable[[Row], str] = lambda _: ""
    """Why a sandbox is skipped by default; empty if it is not."""
    typed: bool = True
    """Whether the number is typed to confirm a dangerous operation on many."""
    destroys: bool = False
    """Whether something is lost, so that enter does not confirm."""

    @property
    def menu_title(self) -> str:
        """The title without a number behind it."""
        first, _, last = self.title.rpartition(" ")
        return first if last in {"in", "to", "of"} else self.title


def _alive(row: Row) -> bool:
    return not row.sandbox.is_finished


def _running(row: Row) -> bool:
    return row.status == SandboxStatus.RUNNING


def _has_ports(row: Row) -> bool:
    # A VM's ports are opened by network rules.
    return _running(row) and not row.sandbox.vm


def _any(_: Row) -> bool:
    return True


DELETE = Verb(
    "delete",
    "Delete",
    "permanently",
    _alive,
    warning="Ends all processes and deletes all files. This cannot be undone.",
    destroys=True,
)
DELETE_BY_LABEL = Verb(
    "delete_by_label",
    "Delete all with label",
    "including those not shown",
    _alive,
    warning="Deletes every sandbox with this label, including those not shown. This cannot be undone.",
    destroys=True,
)
RUN = Verb("run", "Run a command in", "and fold identical output", _running, asks="command", example="uname -a")
FORK = Verb("fork", "Fork", "into new sandboxes with the same files", _running)
UPLOAD = Verb("upload", "Upload a file to", "to /workspace of each", _running, asks="local file", example="./data.json")
EXPOSE = Verb(
    "expose",
    "Expose a port of",
    "to anyone who has the URL",
    _has_ports,
    asks="port",
    example="8000, 8000 http web or 5432 tcp",
    warning="Anyone who has the URL can reach the port.",
)
JOB = Verb("job", "Start a job in", "in the background of each", _running, asks="command", example="python train.py")
EGRESS = Verb(
    "egress",
    "Change egress of",
    "which hosts they may reach",
    _running,
    asks="egress",
    example="allow pypi.org *.debian.org, open or blocked",
    warning="Replaces the egress lists of each.",
    destroys=True,
)
COPY = Verb("copy", "Copy the ids of", "to the clipboard, one per line", _any, dangerous=False)

MEASURE = Verb(
    "measure",
    "Measure CPU and memory of",
    "runs one command in each",
    _running,
    spares=lambda row: "with an idle timeout, which a command resets" if row.sandbox.idle_timeout_minutes else "",
    typed=False,
)

_TABLE = "without secrets"
CSV = Verb("csv", "Export CSV of", _TABLE, _any, dangerous=False, asks="file", example="sandboxes.csv")
JSON = Verb("json", "Export JSON of", _TABLE, _any, dangerous=False, asks="file", example="sandboxes.json")

VERBS = (RUN, UPLOAD, EXPOSE, JOB, EGRESS, MEASURE, COPY, CSV, JSON, DELETE)


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """An operation and its sandboxes. ``passed_over`` counts those that are not eligible.

    ``spared`` are skipped by default, counted by reason; ``unspared`` are included in spite of one.
    ``group`` names the group that they are all of, if one was acted on as a whole.
    ``folder`` is the working directory of a job and ``user`` who runs it, if not the platform's defaults.
    A deletion by label also reaches sandboxes that are unknown here: ``reach`` is the platform's count.
    """

    verb: Verb
    rows: tuple[Row, ...]
    passed_over: int = 0
    hidden: int = 0
    value: str = ""
    folder: str = ""
    user: str = ""
    group: str = ""
    reach: int | None = None
    by_label: tuple[str, ...] = ()
    spared: Counter[str] = field(default_factory=Counter)
    unspared: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str:
        """The operation with its number: ``Delete 214 sandboxes``."""
        count = self.count
        if self.by_label:
            return f"{self.verb.title} {' '.join(f'#{label}' for label in self.by_label)}"
        return f"{self.verb.title} {count:,} {'sandbox' if count == 1 else 'sandboxes'}"

    @property
    def count(self) -> int:
        """The number of sandboxes that it affects."""
        return len(self.rows) if self.reach is None else self.reach

    @property
    def needs_count(self) -> bool:
        """Whether the number is typed to confirm."""
        return self.verb.dangerous and self.verb.typed and (bool(self.by_label) or self.count > TYPE_THE_COUNT_ABOVE)

    @property
    def common_labels(self) -> list[tuple[str, int]]:
        """The most frequent labels."""
        return self.labels.most_common(LABELS_NAMED)


def make_plan(
    verb: Verb, rows: Sequence[Row], hidden: int = 0, value: str = "", folder: str = "", *, spare: bool = True
) -> BulkPlan:
    """Return the plan for some rows, of which ``hidden`` are not on the screen.

    What the verb spares is skipped, unless ``spare`` is false.
    """
    able = tuple(row for row in rows if verb.possible(row))
    reasons = Counter(reason for row in able if (reason := verb.spares(row)))
    chosen = tuple(row for row in able if not verb.spares(row)) if spare and reasons else able
    return BulkPlan(
        verb,
        chosen,
        len(rows) - len(able),
        hidden,
        value,
        folder,
        spared=reasons if spare else Counter(),
        unspared=Counter() if spare else reasons,
        statuses=Counter(row.status for row in chosen),
        labels=Counter(label for row in chosen for label in without_lease(row.sandbox.labels)),
    )


def why_none(verb: Verb, rows: Sequence[Row], *, marked: bool) -> str:
    """Return why none of some sandboxes is eligible; ``marked`` ones are named as such."""
    ended = sum(row.sandbox.is_finished for row in rows)
    others = len(rows) - ended
    kind = "marked sandbox" if marked else "sandbox"
    parts = [f"{ended:,} {kind}{' has' if ended == 1 else 'es have'} ended"] if ended else []
    if others:
        subject = f"{others:,}" if ended else f"{others:,} {kind}{'' if others == 1 else 'es'}"
        parts.append(f"{subject} {'is' if others == 1 else 'are'} not running")
    if not parts:
        parts = ["no sandboxes"]
    return f"{verb.menu_title}: {', '.join(parts)}."


def label_plan(labels: Sequence[str], known: Sequence[Row], shown: int, reach: int) -> BulkPlan:
    """Return the plan of a deletion by label; ``reach`` is the platform's count of sandboxes with the labels."""
    plan = make_plan(DELETE_BY_LABEL, known, max(0, reach - shown))
    return replace(plan, reach=reach, by_label=tuple(labels), passed_over=0)


def check_value(verb: Verb, value: str) -> str:
    """Return what is wrong with the value of a verb; empty if it is valid."""
    if not value.strip():
        return f"{verb.asks} is required"
    if verb is EXPOSE:
        try:
            parse_exposure(value)
        except ValueError as problem:
            return str(problem)
    if verb is EGRESS:
        try:
            values.hosts(value)
        except ValueError as problem:
            return str(problem)
    return ""
