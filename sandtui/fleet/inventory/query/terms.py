"""The terms of a query. A term tests one row, or selects the matches out of many at once."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache

from sandtui.client.models import SandboxStatus
from sandtui.fleet.fields import FILTERS, SHARED
from sandtui.fleet.inventory.facets import Facets
from sandtui.fleet.inventory.row import DELETING, Row

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


_STATUSES = frozenset({*map(str, SandboxStatus), DELETING})


class Term:
    """A condition on a row. ``now`` is in seconds since 1970."""

    __slots__ = ()

    def matches(self, row: Row, now: float) -> bool:
        """Whether the row passes."""
        raise NotImplementedError

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Return the rows that pass, in their order."""
        matches = self.matches
        return [row for row in rows if matches(row, now)]

    def implies(self, other: Term) -> bool:
        """Whether every row that passes this certainly passes the other."""
        return self == other


class FacetTerm(Term):
    """A term about shared fields, evaluated once for all sandboxes that are alike."""

    __slots__ = ()

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        return _select_alike(self, rows, now)


ID_LENGTH = 8
"""The minimum length of a plain word that matches the beginning of an id.

Ids are mostly hexadecimal and have a common prefix: anything shorter matches many by chance.
"""


@dataclass(frozen=True, slots=True)
class Word(Term):
    """A text in a sandbox's name, image or labels, or the beginning of its id. ``exact`` is case-sensitive."""

    text: str
    exact: bool = False

    def matches(self, row: Row, now: float) -> bool:
        if self._may_be_id and row.id.startswith(self.text):
            return True
        if not self.exact:
            return self.text in row.haystack
        sandbox, text = row.sandbox, self.text
        return text in sandbox.name or text in sandbox.docker_image or any(text in label for label in sandbox.labels)

    @property
    def _may_be_id(self) -> bool:
        return len(self.text) >= ID_LENGTH

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Match many rows; this runs at each key press over the whole fleet."""
        if self.exact:
            return Term.select(self, rows, now)
        text = self.text
        if self._may_be_id:
            return [row for row in rows if text in row.haystack or row.id.startswith(text)]
        return [row for row in rows if text in row.haystack]

    def implies(self, other: Term) -> bool:
        """A word implies the words that it contains; one that may be an id implies its beginnings."""
        if not isinstance(other, Word) or (other.exact and not self.exact):
            return False
        if other.text not in (self.text if self.exact == other.exact else self.text.lower()):
            return False
        return not self._may_be_id or (other._may_be_id and self.text.startswith(other.text))


@dataclass(frozen=True, slots=True)
class Label(FacetTerm):
    """A label, or the beginning of one."""

    text: str
    beginning: bool = False

    def matches(self, row: Row, now: float) -> bool:
        labels = row.sandbox.labels
        return any(label.startswith(self.text) for label in labels) if self.beginning else self.text in labels


@dataclass(frozen=True, slots=True)
class Status(Term):
    """One of several statuses, in capitals, each by its beginning; a complete one matches only itself."""

    words: tuple[str, ...]

    def matches(self, row: Row, now: float) -> bool:
        status = row.status.upper()
        return status in self.words or status.startswith(_beginnings(self.words))


@lru_cache(maxsize=64)
def _beginnings(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in _STATUSES)


TEXTS: Mapping[str, Callable[[Row], str]] = {key: entry.value for key, entry in FILTERS.items() if entry.kind == "text"}
"""The texts that ``key:value`` and ``key~pattern`` look at."""

SHARED_TEXTS = frozenset(field.filter.key for field in SHARED if field.filter is not None)
"""Those that many sandboxes share."""


@dataclass(frozen=True, slots=True)
class Text(Term):
    """A field that contains a value in any case, or matches a glob with ``*`` or ``?``. An id must start with it.

    ``typed`` is the value as typed, which may be a complete id; empty for a glob.
    """

    name: str
    value: str
    typed: str = field(default="", compare=False)
    _glob: re.Pattern[str] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, name: str, value: str) -> Text:
        """Return the term with its glob compiled."""
        lowered = value.lower()
        glob = re.compile(translate(lowered)) if "*" in lowered or "?" in lowered else None
        return cls(name, lowered, "" if glob else value, glob)

    def matches(self, row: Row, now: float) -> bool:
        text = TEXTS[self.name](row).lower()
        if self._glob is not None:
            return self._glob.match(text) is not None
        # A few hexadecimal digits occur in very many ids.
        return text.startswith(self.value) if self.name == "id" else self.value in text

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Compare shared texts once."""
        return _select_alike(self, rows, now) if self.name in SHARED_TEXTS else Term.select(self, rows, now)


@dataclass(frozen=True, slots=True)
class Pattern(Term):
    """A regular expression in a field, in any label, or in everything that plain words match."""

    name: str
    regex: re.Pattern[str]

    def matches(self, row: Row, now: float) -> bool:
        if self.name == "label":
            return any(self.regex.search(label) for label in row.sandbox.labels)
        text = row.haystack if not self.name else TEXTS[self.name](row)
        return self.regex.search(text) is not None

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Search shared texts once."""
        search = self.regex.search
        if self.name == "name":
            return [row for row in rows if search(row.name)]
        if self.name == "label" or self.name in SHARED_TEXTS:
            return _select_alike(self, rows, now)
        return Term.select(self, rows, now)


NUMBERS: Mapping[str, Callable[[Row], float | None]] = {
    key: entry.value for key, entry in FILTERS.items() if entry.kind == "number"
}
"""The numbers that can be compared; sizes are in GB."""

TIMES = ("age", "left", "ended")
"""What is compared with a duration: the time since creation, until expiry, since the end."""


@dataclass(frozen=True, slots=True)
class Compare(FacetTerm):
    """Compares a number with a limit."""

    name: str
    sign: str
    limit: float

    def matches(self, row: Row, now: float) -> bool:
        """Compare; a row without the number does not pass."""
        number = NUMBERS[self.name](row)
        return number is not None and OPERATORS[self.sign](number, self.limit)


@dataclass(frozen=True, slots=True)
class CompareTime(Term):
    """Compares an age or a time left with a limit, in seconds."""

    name: str
    sign: str
    limit: float

    def matches(self, row: Row, now: float) -> bool:
        """Compare; a row without an expiry does not pass ``left``."""
        if self.name == "age":
            return row.created > 0 and OPERATORS[self.sign](now - row.created, self.limit)
        if self.name == "ended":
            return row.sandbox.is_finished and OPERATORS[self.sign](now - row.ended, self.limit)
        return row.expires != float("inf") and OPERATORS[self.sign](row.expires - now, self.limit)


@dataclass(frozen=True, slots=True)
class Untouched(Term):
    """Sandboxes that were not worked with. The set may grow while the query is in use."""

    touched: AbstractSet[str]

    def matches(self, row: Row, now: float) -> bool:
        return row.id not in self.touched


@dataclass(frozen=True, slots=True)
class CompareCost(Term):
    """Compares what was billed, or else the estimate, with a limit in dollars."""

    sign: str
    limit: float

    def matches(self, row: Row, now: float) -> bool:
        """Compare; a row whose cost is not known does not pass."""
        spent = row.spent(now)
        return spent is not None and OPERATORS[self.sign](spent, self.limit)


@dataclass(frozen=True, slots=True)
class Orphaned(Term):
    """Sandboxes whose owner is gone, as far as was looked."""

    def matches(self, row: Row, now: float) -> bool:
        return bool(row.orphaned)


@dataclass(frozen=True, slots=True)
class Not(Term):
    """Negates another term."""

    term: Term

    def matches(self, row: Row, now: float) -> bool:
        return not self.term.matches(row, now)

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        passed = set(map(id, self.term.select(rows, now)))
        return [row for row in rows if id(row) not in passed]


@dataclass(frozen=True, slots=True)
class All(Term):
    """All of several terms."""

    terms: tuple[Term, ...]

    def matches(self, row: Row, now: float) -> bool:
        return all(term.matches(row, now) for term in self.terms)

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Each term narrows the rows for the next."""
        chosen = list(rows) if not self.terms else rows
        for term in self.terms:
            chosen = term.select(chosen, now)
        return list(chosen)

    def implies(self, other: Term) -> bool:
        """Each of the other's terms must follow from one of ours."""
        wanted = other.terms if isinstance(other, All) else (other,)
        return all(any(term.implies(want) for term in self.terms) for want in wanted)


@dataclass(frozen=True, slots=True)
class AnyOf(Term):
    """At least one of several terms."""

    terms: tuple[Term, ...]

    def matches(self, row: Row, now: float) -> bool:
        return any(term.matches(row, now) for term in self.terms)

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        chosen = {id(row) for term in self.terms for row in term.select(rows, now)}
        return [row for row in rows if id(row) in chosen]


def is_timed(term: Term) -> bool:
    """Whether the matches may change with the time alone."""
    if isinstance(term, Not):
        return is_timed(term.term)
    if isinstance(term, All | AnyOf):
        return any(is_timed(part) for part in term.terms)
    return isinstance(term, CompareTime | CompareCost)


def asks_owners(term: Term) -> bool:
    """Whether the matches depend on the owners of leases."""
    if isinstance(term, Not):
        return asks_owners(term.term)
    if isinstance(term, All | AnyOf):
        return any(asks_owners(part) for part in term.terms)
    return isinstance(term, Orphaned)


def _select_alike(term: Term, rows: Sequence[Row], now: float) -> list[Row]:
    """Return the rows that pass a term about shared fields: the term is evaluated once for all that are alike."""
    verdicts: dict[Facets, bool] = {}
    known, matches = verdicts.get, term.matches

    def judge(row: Row) -> bool:
        verdict = verdicts[row.facets] = matches(row, now)
        return verdict

    return [row for row in rows if (judge(row) if (one := known(row.facets)) is None else one)]
