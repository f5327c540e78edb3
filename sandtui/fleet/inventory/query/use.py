"""Terms about what was measured. What nobody measured passes no comparison, and so passes each that is turned round."""

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
"""Shares of what a sandbox has: of its cores as a mean since it started, of its memory when it was measured."""


def is_unmeasured(row: Row) -> bool:
    """Whether a sandbox runs and nobody measured it."""
    return row.measured is None and row.status == SandboxStatus.RUNNING


@dataclass(frozen=True, slots=True)
class CompareUse(Term):
    """A share against a limit; 1 is all that the sandbox has."""

    name: str
    sign: str
    limit: float

    def matches(self, row: Row, now: float) -> bool:
        """Compare; what nobody measured does not pass."""
        share = SHARES[self.name](row)
        return share is not None and OPERATORS[self.sign](share, self.limit)

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Compare where there is something to compare: mostly few are measured."""
        return Term.select(self, [row for row in rows if row.measured is not None], now)


@dataclass(frozen=True, slots=True)
class Unmeasured(Term):
    """What runs and was not measured yet."""

    def matches(self, row: Row, now: float) -> bool:
        """Look at the row."""
        return is_unmeasured(row)


def asks_use(term: Term) -> bool:
    """Whether the answer depends on what was measured."""
    if isinstance(term, Not):
        return asks_use(term.term)
    if isinstance(term, All | AnyOf):
        return any(asks_use(part) for part in term.terms)
    return isinstance(term, CompareUse | Unmeasured)


def apart_from_use(term: Term) -> Term:
    """Return a term that every row passes that could pass this one, whatever is measured there."""
    if isinstance(term, All):
        return All(tuple(apart_from_use(part) for part in term.terms if not isinstance(part, CompareUse | Unmeasured)))
    if isinstance(term, AnyOf):
        return AnyOf(tuple(apart_from_use(part) for part in term.terms))
    return All(()) if asks_use(term) else term
