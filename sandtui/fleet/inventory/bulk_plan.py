"""What is about to be done to how many sandboxes, said before it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sandtui.client.models import SandboxStatus
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.ports.exposures import parse_exposure

TYPE_THE_COUNT_ABOVE = 10
LABELS_NAMED = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that can be done to many. ``asks`` is the question for its value, when it needs one."""

    id: str
    title: str
    words: str
    possible: Callable[[Row], bool]
    dangerous: bool = True
    asks: str = ""
    example: str = ""
    warning: str = ""
    spares: Callable[[Row], str] = lambda _: ""
    """Why a sandbox is left out unless somebody asks for it; an empty text when it is not."""
    typed: bool = True
    """Whether a large number is typed to confirm, when it is dangerous."""

    @property
    def menu_title(self) -> str:
        """The title where no number follows."""
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
    "end them for good",
    _alive,
    warning="All their processes end and their files are gone. This can't be undone.",
)
DELETE_BY_LABEL = Verb(
    "delete_by_label",
    "Delete everything that carries",
    "on the platform, whatever is shown here",
    _alive,
    warning="The platform deletes by label, not by what this screen shows. This can't be undone.",
)
RUN = Verb("run", "Run a command in", "and fold equal outputs together", _running, asks="command", example="uname -a")
UPLOAD = Verb("upload", "Upload a file to", "to /workspace of each", _running, asks="local file", example="./data.json")
EXPOSE = Verb(
    "expose",
    "Expose a port of",
    "for anyone who has the address",
    _has_ports,
    asks="port",
    example="8000, 8000 http web or 5432 tcp",
    warning="Anyone who has the address can reach the port.",
)
JOB = Verb("job", "Start a job in", "in the background of each", _running, asks="command", example="python train.py")
COPY = Verb("copy", "Copy the ids of", "to the clipboard, one a line", _any, dangerous=False)

MEASURE = Verb(
    "measure",
    "Measure the use of",
    "by one command in each",
    _running,
    spares=lambda row: "whose idle limit a command begins anew" if row.sandbox.idle_timeout_minutes else "",
    typed=False,
)

_TABLE = "a new file, no secrets in it"
CSV = Verb("csv", "Write a CSV file of", _TABLE, _any, dangerous=False, asks="file", example="sandboxes.csv")
JSON = Verb("json", "Write a JSON file of", _TABLE, _any, dangerous=False, asks="file", example="sandboxes.json")

VERBS = (RUN, UPLOAD, EXPOSE, JOB, MEASURE, COPY, CSV, JSON, DELETE)


@dataclass(frozen=True, slots=True)
class Plan:
    """A verb and the sandboxes that it can be done to. ``passed_over`` are those that it can't.

    ``spared`` are left out, each reason with their number; ``unspared`` are taken although there is one.
    ``folder`` is where a job begins, when that is not where the platform begins it.
    What the platform does by label reaches sandboxes that are not known here: ``reach`` is its own count.
    """

    verb: Verb
    rows: tuple[Row, ...]
    passed_over: int = 0
    hidden: int = 0
    value: str = ""
    folder: str = ""
    reach: int | None = None
    by_label: tuple[str, ...] = ()
    spared: Counter[str] = field(default_factory=Counter)
    unspared: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str:
        """What it does, with the number: ``Delete 214 sandboxes``."""
        count = self.count
        if self.by_label:
            return f"{self.verb.title} {' '.join(f'#{label}' for label in self.by_label)}"
        return f"{self.verb.title} {count:,} {'sandbox' if count == 1 else 'sandboxes'}"

    @property
    def count(self) -> int:
        """How many sandboxes it reaches."""
        return len(self.rows) if self.reach is None else self.reach

    @property
    def needs_count(self) -> bool:
        """Whether the number must be typed to confirm."""
        return self.verb.dangerous and self.verb.typed and (bool(self.by_label) or self.count > TYPE_THE_COUNT_ABOVE)

    @property
    def common_labels(self) -> list[tuple[str, int]]:
        """The labels that most of them carry."""
        return self.labels.most_common(LABELS_NAMED)


def make_plan(
    verb: Verb, rows: Sequence[Row], hidden: int = 0, value: str = "", folder: str = "", *, spare: bool = True
) -> Plan:
    """Return what would be done to some rows; ``hidden`` says how many of them are not on the screen.

    What the verb spares is left out, unless ``spare`` is false.
    """
    able = tuple(row for row in rows if verb.possible(row))
    reasons = Counter(reason for row in able if (reason := verb.spares(row)))
    chosen = tuple(row for row in able if not verb.spares(row)) if spare and reasons else able
    return Plan(
        verb,
        chosen,
        len(rows) - len(able),
        hidden,
        value,
        folder,
        spared=reasons if spare else Counter(),
        unspared=Counter() if spare else reasons,
        statuses=Counter(row.status for row in chosen),
        labels=Counter(label for row in chosen for label in row.sandbox.labels),
    )


def why_none(verb: Verb, rows: Sequence[Row], *, marked: bool) -> str:
    """Return why something can be done to none of some sandboxes, as a sentence; ``marked`` are named as such."""
    ended = sum(row.sandbox.is_finished for row in rows)
    others = len(rows) - ended
    kind = "marked sandbox" if marked else "sandbox"
    parts = [f"{ended:,} {kind}{' has' if ended == 1 else 'es have'} ended"] if ended else []
    if others:
        subject = f"{others:,}" if ended else f"{others:,} {kind}{'' if others == 1 else 'es'}"
        parts.append(f"{subject} {'does' if others == 1 else 'do'} not run")
    if not parts:
        parts = ["there is no sandbox"]
    return f"{verb.menu_title}: {', '.join(parts)}."


def label_plan(labels: Sequence[str], known: Sequence[Row], shown: int, reach: int) -> Plan:
    """Return what a deletion by label would do; ``reach`` is how many the platform says carry the labels."""
    plan = make_plan(DELETE_BY_LABEL, known, max(0, reach - shown))
    return replace(plan, reach=reach, by_label=tuple(labels), passed_over=0)


def check_value(verb: Verb, value: str) -> str:
    """Return what is wrong with the value of a verb, or an empty text."""
    if not value.strip():
        return f"the {verb.asks} is missing"
    if verb is EXPOSE:
        try:
            parse_exposure(value)
        except ValueError as problem:
            return str(problem)
    return ""
