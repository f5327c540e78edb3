"""What a measurement found: a value, the bar that it has to meet, and whether it does.

A bench prints each row as soon as it knows it. ``python -m tests.bench`` runs them all and gathers the rows in one
table, through the file that ``BENCH_ROWS`` names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import ROWS_PATH


@dataclass(frozen=True)
class BenchRow:
    """One measured value; ``bar`` is None where the value is only told."""

    name: str
    value: float
    unit: str = ""
    bar: float | None = None
    larger_is_better: bool = False
    void: str = ""
    """Why the value counts for nothing, for example because its peer drifted."""
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether the value counts and is on the wrong side of its bar."""
        if self.bar is None or self.void:
            return False
        return self.value < self.bar if self.larger_is_better else self.value > self.bar

    def __str__(self) -> str:
        verdict, promised = "", ""
        if self.bar is not None:
            promised = f"{'>=' if self.larger_is_better else '<='} {self.bar:,g} {self.unit}".rstrip()
            verdict = "void" if self.void else "MISSED" if self.missed else "met"
        more = "; ".join(part for part in (self.void, self.note) if part)
        value = f"{figure(self.value)} {self.unit}".rstrip()
        return f"{self.name:<46} {value:>14}  {promised:<14} {verdict:<7} {more}".rstrip()


def figure(value: float) -> str:
    """Return a number with as many digits as are worth reading."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def report(
    name: str,
    value: float,
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    void: str = "",
    note: str = "",
) -> BenchRow:
    """Print a row, and hand it to the table of all."""
    bar = at_most if at_least is None else at_least
    row = BenchRow(name, value, unit, bar, at_least is not None, void, note)
    print(row, flush=True)
    if ROWS_PATH:
        with Path(ROWS_PATH).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
    return row


def drifted(before: float, after: float, most: float = 0.2) -> str:
    """Return why a comparison is void, given its peer's medians before and after ours; empty where it counts."""
    return "the peer drifted" if abs(before - after) / min(before, after) > most else ""


def read_rows(path: Path) -> list[BenchRow]:
    """Return the rows of a bench that has ended."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [BenchRow(**json.loads(line)) for line in lines]


def table(benches: Sequence[tuple[str, Sequence[BenchRow], str]]) -> str:
    """Return all rows under the titles of their benches, each with what went wrong in it."""
    lines = []
    for title, rows, problem in benches:
        lines += ["", title, *(f"  {row}" for row in rows)]
        if problem:
            lines.append(f"  {problem}")
    every = [row for _, rows, _ in benches for row in rows]
    barred = [row for row in every if row.bar is not None]
    void = sum(bool(row.void) for row in barred)
    met = len(barred) - void - sum(row.missed for row in barred)
    failed = sum(bool(problem) for _, _, problem in benches)
    told = [f"{met} of {len(barred)} bars met"]
    told += [f"{void} void"] if void else []
    told += [f"{failed} not measured to the end"] if failed else []
    return "\n".join([*lines, "", ", ".join(told)])
