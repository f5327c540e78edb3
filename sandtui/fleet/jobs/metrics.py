"""Numbers that the log of a job repeats: ``loss=0.31``, ``"reward": 12``, ``step 5/100``, ``acc 0.93``.

A log may hold anything: names, numbers, lines and what is kept of them are all bounded, and no pattern reads a part of
a line again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

LINES = 2000
"""Lines at the end of a log that are read."""

CHARACTERS = 400
"""Characters of each line that are read."""

MOST_NAMES = 64
REPEATED = 3
"""From so many values on, a number counts as repeated."""

_NUMBER = r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{1,30})?|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?|[-+]?(?:nan|inf)"
_END = r"(?:%|[a-zA-Z]{1,2}(?:/[a-z]{1,3})?)?(?=\.?(?:[\s,;|)\]}\"']|$))"
"""A unit, and what may follow: neither a time (12:30), nor an address (10.0.0.1), nor a date."""

_PAIR = re.compile(
    rf"(?<![\w./-])(?P<name>[A-Za-z_][\w./-]{{0,30}})[\"']?[ \t]{{0,2}}[=:][ \t]{{0,3}}[\"']?"
    rf"(?P<number>{_NUMBER}){_END}"
)
_COUNTED = re.compile(
    r"(?<![\w./-])(?P<name>(?i:step|epoch|iter|iteration|batch|episode|round|update))s?[ \t]{0,2}[:=#]?[ \t]{0,2}\[?"
    r"(?P<number>[0-9]{1,12})[ \t]?(?:/|of)[ \t]?[0-9]{1,12}(?![\w./-])"
)
_WORD = re.compile(
    r"(?<![\w./-])(?P<name>(?i:(?:[a-z]{1,12}[_/-])?"
    r"(?:loss|reward|accuracy|acc|score|perplexity|ppl|return|lr|f1|bleu)))"
    rf"[ \t]{{1,3}}(?P<number>{_NUMBER}){_END}"
)

_NO_METRIC = frozenset(
    {
        "info", "debug", "warn", "warning", "error", "critical", "fatal", "trace", "notice", "line", "pid", "port",
        "id", "time", "date", "seed", "exit", "code", "status", "rank", "worker",
    }
)  # fmt: skip
"""Names that numbers often follow in a log without being a value that develops."""

_FIRST = re.compile(r"(?i)loss|reward|acc|score|return|ppl|perplexity|f1|bleu|error")
_COUNTERS = frozenset({"step", "epoch", "iter", "iteration", "batch", "episode", "round", "update", "global_step"})


@dataclass(frozen=True, slots=True)
class JobMetric:
    """A number that a log repeats, the oldest value first; ``text`` is the latest as it was written."""

    name: str
    values: tuple[float, ...]
    text: str

    @property
    def is_broken(self) -> bool:
        """Whether the latest value is none, such as ``nan``."""
        return not isfinite(self.values[-1])


def metrics_of(lines: Sequence[str]) -> list[JobMetric]:
    """Return the numbers that a log repeats and that change, those that tell most about a training first."""
    found: dict[str, list[tuple[float, str]]] = {}
    for line in lines[-LINES:]:
        for name, text in _numbers(line[:CHARACTERS]):
            values = found.get(name)
            if values is None:
                if len(found) == MOST_NAMES:
                    continue
                values = found[name] = []
            values.append((float(text), text))
    metrics = [
        JobMetric(name, tuple(value for value, _ in values), values[-1][1])
        for name, values in found.items()
        if len(values) >= REPEATED
    ]
    changing = [metric for metric in metrics if metric.is_broken or len(set(metric.values)) > 1]
    return sorted(changing, key=_rank)


def _numbers(line: str) -> Iterable[tuple[str, str]]:
    """Return names and numbers of a line, each name once: the last counts."""
    found: dict[str, str] = {}
    for pattern in (_WORD, _PAIR, _COUNTED):
        for match in pattern.finditer(line):
            name = match["name"].rstrip("./-")
            if name and name.lower() not in _NO_METRIC:
                found[name.lower() if pattern is _COUNTED else name] = match["number"]
    return found.items()


def _rank(metric: JobMetric) -> tuple[int, int, str]:
    group = 0 if _FIRST.search(metric.name) else 2 if metric.name.lower() in _COUNTERS else 1
    return group, -len(metric.values), metric.name
