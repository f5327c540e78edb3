"""From a form with a count and a matrix to the requests of a launch."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from sandtui.client.models import CreateSandboxRequest
from sandtui.fleet.creation.form import BY_ID, COUNT, PLAN_FIELDS, read_count, read_form
from sandtui.fleet.creation.values import FieldProblem, words
from sandtui.fleet.fields import LAUNCH_LABEL


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """The requests of a launch, each with its own idempotency key; or what is wrong, by field."""

    launch_id: str
    requests: tuple[CreateSandboxRequest, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def cores(self) -> float:
        """Cores of all sandboxes together."""
        return sum(request.cpu_cores for request in self.requests)

    @property
    def memory_gb(self) -> float:
        """Memory of all sandboxes together, in GB."""
        return sum(request.memory_gb for request in self.requests)

    @property
    def disk_gb(self) -> float:
        """Disk of all sandboxes together, in GB."""
        return sum(request.disk_size_gb for request in self.requests)


def new_launch_id() -> str:
    """Return a random id."""
    return secrets.token_hex(4)


def plan_launch(values: Mapping[str, str], launch_id: str) -> LaunchPlan:
    """Expand a form: one request for each number and each combination of the matrix.

    ``{i}`` and ``{i:03}`` in the name, the start command and the variables become the index; names of the matrix in
    braces become its values.
    """
    problems: dict[str, str] = {}
    count = start = 1
    rows: list[dict[str, str]] = [{}]
    try:
        count = read_count(values.get("count", "1") or "1")
    except FieldProblem as problem:
        problems["count"] = str(problem)
    first = values.get("start", "1").strip() or "1"
    if first.isascii() and first.isdigit() and len(first) < 7:
        start = int(first)
    else:
        problems["start"] = "must be a whole number"
    try:
        rows = read_matrix(values.get("matrix", ""))
    except FieldProblem as problem:
        problems["matrix"] = str(problem)
    if count * len(rows) not in COUNT:
        problems.setdefault("count", f"{count * len(rows)} sandboxes; the maximum is {COUNT.high:g}")
    if problems:
        return LaunchPlan(launch_id, problems={**read_form(values).problems, **problems})
    requests: list[CreateSandboxRequest] = []
    many = count * len(rows) > 1
    for place, row in enumerate(row for row in rows for _ in range(count)):
        filled = _fill(values, row, start + place)
        if many and "{" not in values.get("name", ""):
            filled["name"] = f"{filled.get('name', '')}-{start + place}"
        result = read_form(filled)
        if result.request is None:
            return LaunchPlan(launch_id, problems=result.problems)
        labels = [*result.request.labels, LAUNCH_LABEL + launch_id] if many else result.request.labels
        update = {"idempotency_key": f"{launch_id}-{secrets.token_hex(8)}", "labels": labels}
        requests.append(result.request.model_copy(update=update))
    return LaunchPlan(launch_id, tuple(requests))


def read_matrix(text: str) -> list[dict[str, str]]:
    """Read ``memory_gb=2,4 SEED=1,2`` into every combination. Names that are not fields of the form are variables.

    Raises:
        FieldProblem: an entry is not ``name=value,value``.
    """
    axes: list[list[tuple[str, str]]] = []
    for entry in words(text):
        name, equals, choices = entry.partition("=")
        options = [choice for choice in choices.split(",") if choice]
        if not equals or not options:
            raise FieldProblem(f"{entry}: use NAME=VALUE,VALUE")
        if name in PLAN_FIELDS or name == "secrets":
            raise FieldProblem(f"{name} can't be in the matrix")
        if not name.isidentifier():
            raise FieldProblem(f"{name} is not a field or a variable name")
        axes.append([(name, option) for option in options])
    return [dict(row) for row in product(*axes)]


def _fill(values: Mapping[str, str], row: Mapping[str, str], place: int) -> dict[str, str]:
    filled = dict(values)
    variables = {}
    for name, value in row.items():
        if name in BY_ID:
            filled[name] = value
        else:
            variables[name] = value
    for name in ("name", "start_command", "environment_vars", "labels"):
        filled[name] = _filled(filled.get(name, BY_ID[name].default), {"i": place, **row})
    if variables:
        extra = " ".join(f"{name}={value}" for name, value in variables.items())
        filled["environment_vars"] = f"{filled['environment_vars']} {extra}"
    return filled


_PLACEHOLDER = re.compile(r"\{([^{}:!]+)(?::([^{}]*))?\}")


def _filled(text: str, known: Mapping[str, object]) -> str:
    """Return a text with ``{i:03}`` and ``{field}`` filled; other braces, as in JSON, stay as they are."""

    def fill(match: re.Match[str]) -> str:
        try:
            return format(known[match[1]], match[2] or "")
        except (KeyError, ValueError):
            return match[0]

    return _PLACEHOLDER.sub(fill, text)
