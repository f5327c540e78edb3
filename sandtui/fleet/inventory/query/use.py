"""Terms about measured usage. A row without a measurement fails every comparison, and so passes every negated one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandtui.client.models import SandboxStatus
from sandtui.fleet.inventory.query.terms import OPERATORS, All, AnyOf, Not, Term
from sandtui.fleet.inventory.row import Row

SHARES: dict[str, Callable[[Row], float | None]] = {
    "used": lambda row: row.used,
    "memused": lambda row: row.memory_used,
}
"""Shares of a sandbox's cores, as a mean since its start, and of its memory when measured."""


def is_unmeasured(row: Row) -> bool:
    """Whether a sandbox is running and not measured."""
    return row.measured is None and row.status == SandboxStatus.RUNNING


@dataclass(frozen=True, slots=True)
class CompareUse(Term):
    """Compares a share with a limit; 1 is all that the sandbox has."""

    name: str
    sign: str
    limit: float

    def matches(self, row: Row, now: float) -> bool:
        """Compare; a row without a measurement does not pass."""
        share = SHARES[self.name](row)
        return share is not None and OPERATORS[self.sign](share, self.limit)

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Compare only measured rows: they are mostly few."""
        return Term.select(self, [row for row in rows if row.measured is not None], now)


@dataclass(frozen=True, slots=True)
class Unmeasured(Term):
    """Running and not measured."""

    def matches(self, row: Row, now: float) -> bool:
        """Look at the row."""
        return is_unmeasured(row)


def asks_use(term: Term) -> bool:
    """Whether the matches depend on measured usage."""
    if isinstance(term, Not):
        return asks_use(term.term)
    if isinstance(term, All | AnyOf):
        return any(asks_use(part) for part in term.terms)
    return isinstance(term, CompareUse | Unmeasured)


def apart_from_use(term: Term) -> Term:
    """Return a term for every row that could pass this one, whatever its usage."""
    if isinstance(term, All):
        return All(tuple(apart_from_use(part) for part in term.terms if not isinstance(part, CompareUse | Unmeasured)))
    if isinstance(term, AnyOf):
        return AnyOf(tuple(apart_from_use(part) for part in term.terms))
    return All(()) if asks_use(term) else term
