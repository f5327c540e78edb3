"""Parses a filter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sandtui.client.models import SandboxStatus
from sandtui.fleet.inventory.query.lexer import Token, tokens
from sandtui.fleet.inventory.query.mistake import QueryError
from sandtui.fleet.inventory.query.terms import (
    NUMBERS,
    TEXTS,
    TIMES,
    All,
    AnyOf,
    Compare,
    CompareCost,
    CompareTime,
    Label,
    Not,
    Orphaned,
    Pattern,
    Status,
    Term,
    Text,
    Untouched,
    Word,
    asks_owners,
    is_timed,
)
from sandtui.fleet.inventory.query.use import SHARES, CompareUse, Unmeasured, apart_from_use, asks_use
from sandtui.fleet.inventory.row import Row

KEYS = ("label", "status", *TEXTS)
"""The words before ``:``."""

SYNONYMS = {"expires": "left", "memory": "mem", "cores": "cpu"}

COST = "cost"

COMPARED = (*TIMES, *NUMBERS, *SHARES, COST)
"""The words before ``>`` and its like."""

_KEYED = re.compile(r"([A-Za-z]+)(:|~|>=|<=|>|<|=)(.*)", re.DOTALL)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(?:gb?)?", re.IGNORECASE)
_DOLLARS = re.compile(r"\$?(\d+(?:\.\d+)?)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """The part of a filter that the platform can apply (client/WIRE.md 2.5): all labels, one status, team and user.

    ``active`` excludes ended sandboxes.
    """

    labels: tuple[str, ...] = ()
    status: str | None = None
    team: str | None = None
    user: str | None = None
    active: bool = False

    def __bool__(self) -> bool:
        return bool(self.labels or self.status or self.team or self.user or self.active)

    @property
    def text(self) -> str:
        """The same in the filter language; ended sandboxes are hidden by a key instead."""
        words = [f"#{label}" for label in self.labels]
        words += [f"status:{self.status.lower()}"] if self.status else []
        words += [f"team:{self.team}"] if self.team else []
        words += [f"user:{self.user}"] if self.user else []
        return " ".join([*words, "active"] if self.active else words)

    def matches(self, row: Row) -> bool:
        """Whether the platform would list the row, as far as is known."""
        sandbox = row.sandbox
        if self.status is not None and sandbox.status != self.status:
            return False
        if self.active and sandbox.is_finished:
            return False
        if (self.team or sandbox.team_id) != sandbox.team_id or (self.user or sandbox.user_id) != sandbox.user_id:
            return False
        return all(label in sandbox.labels for label in self.labels)


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter."""

    text: str
    term: All

    def matches(self, row: Row, now: float = 0.0) -> bool:
        """Whether a row passes every term; ``now`` is in seconds since 1970."""
        return self.term.matches(row, now)

    def select(self, rows: Sequence[Row], now: float) -> list[Row]:
        """Return the rows that pass, in their order."""
        return self.term.select(rows, now)

    def narrows(self, earlier: Query) -> bool:
        """Whether every match is certainly one of the earlier filter's, at the same time."""
        return self.term.implies(earlier.term) and not self.is_timed and not earlier.is_timed

    @property
    def is_timed(self) -> bool:
        """Whether the matches change with the time alone."""
        return is_timed(self.term)

    @property
    def asks_use(self) -> bool:
        """Whether the matches depend on measured usage."""
        return asks_use(self.term)

    @property
    def asks_owners(self) -> bool:
        """Whether the matches depend on the owners of leases."""
        return asks_owners(self.term)

    @property
    def apart_from_use(self) -> Query:
        """The query without its terms about usage: what must be measured to answer it."""
        term = apart_from_use(self.term)
        return Query(self.text, term if isinstance(term, All) else All((term,)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that every match has."""
        return tuple(term.text for term in self.term.terms if isinstance(term, Label) and not term.beginning)

    @property
    def server(self) -> ServerFilter:
        """The part that the platform can apply."""
        status: str | None = None
        owners: dict[str, str] = {}
        for term in self.term.terms:
            if isinstance(term, Status) and len(term.words) == 1:
                whole = [known for known in SandboxStatus if known.startswith(term.words[0])]
                # A row that is being deleted here is still RUNNING there: only whole, unique words are sent.
                if len(whole) == 1 and not "DELETING".startswith(term.words[0]):
                    status = str(whole[0])
            elif isinstance(term, Text) and term.name in {"team", "user"} and term.typed:
                owners[term.name] = term.typed
        return ServerFilter(self.labels, status, owners.get("team"), owners.get("user"))

    def has_more_than(self, server: ServerFilter) -> bool:
        """Whether a part is left to be applied here after the platform's."""
        done_there = sum(value is not None for value in (server.status, server.team, server.user))
        return len(self.term.terms) > len(server.labels) + done_there

    def __bool__(self) -> bool:
        return bool(self.term.terms)


EVERYTHING = Query("", All(()))


@dataclass(frozen=True, slots=True)
class _Known:
    """What ``mine`` and ``untouched`` stand for."""

    me: str | None
    touched: AbstractSet[str]


def parse(text: str, me: str | None = None, touched: AbstractSet[str] = frozenset()) -> Query:
    """Parse a filter. ``me`` is the user id that ``mine`` and ``user:me`` stand for.

    ``touched`` are the ids of what is not ``untouched``; the set may grow later.

    Raises:
        QueryError: an unknown field, a value that does not fit its field, or an unclosed quote or parenthesis.
    """
    found = tokens(text)
    term, index = _alternatives(found, 0, _Known(me, touched))
    assert index == len(found), "the lexer pairs all parentheses"
    if isinstance(term, All):
        return Query(text, term)
    return Query(text, All((term,)))


def _alternatives(found: list[Token], index: int, known: _Known) -> tuple[Term, int]:
    parts: list[Term] = []
    while True:
        part, index = _sequence(found, index, known)
        parts.append(part)
        if index >= len(found) or found[index].kind != "or":
            return (parts[0] if len(parts) == 1 else AnyOf(tuple(parts))), index
        joint = found[index]
        if part == All(()) or index + 1 >= len(found) or found[index + 1].kind in {")", "or"}:
            raise QueryError('"or" needs a term on both sides; quote it to search for the word', joint.column, 2)
        index += 1


def _sequence(found: list[Token], index: int, known: _Known) -> tuple[Term, int]:
    terms: list[Term] = []
    while index < len(found) and found[index].kind not in {")", "or"}:
        token = found[index]
        if token.kind == "(":
            term, index = _alternatives(found, index + 1, known)
        else:
            term = Word(token.text, token.text != token.text.lower()) if token.kind == "quoted" else _term(token, known)
        index += 1
        if token.sign:
            terms.append(Not(term))
        elif isinstance(term, All):
            terms += term.terms
        else:
            terms.append(term)
    return All(tuple(terms)), index


def _term(token: Token, known: _Known) -> Term:
    body = token.text
    column = token.column + len(token.sign)
    if body.startswith("#"):
        return _label(body[1:], column, len(body))
    if body.startswith("~") and len(body) > 1:
        return _pattern("", body[1:], column, column + 1)
    if body.lower() == "mine":
        return _mine(known.me, column, len(body))
    if body.lower() == "untouched":
        return Untouched(known.touched)
    if body.lower() == "orphaned":
        return Orphaned()
    if body.lower() == "unmeasured":
        return Unmeasured()
    keyed = _KEYED.fullmatch(body)
    if keyed is None:
        return Word(body, body != body.lower())
    key, sign, value = keyed.groups()
    name = SYNONYMS.get(key.lower(), key.lower())
    if sign == ":":
        return _field(name, key, value, body, column, known.me)
    if sign == "~":
        if name not in TEXTS and name != "label":
            raise QueryError(f'"{key}" is not a text field; use {", ".join(("label", *TEXTS))}', column)
        return _pattern(name, value, column, column + len(key) + 1)
    if name not in COMPARED:
        # run=42 is a label more often than a comparison: a word finds it.
        if sign == "=":
            return Word(body, body != body.lower())
        raise QueryError(f'"{key}" can\'t be compared; use {", ".join(COMPARED)}', column, len(key))
    return _compare(name, sign, value, column + len(key) + len(sign), len(body))


def _field(name: str, key: str, value: str, body: str, column: int, me: str | None) -> Term:
    if name not in KEYS:
        # An image such as node:20 is typed more often than a wrong key: say how to look for it.
        raise QueryError(f'unknown field "{key}"; quote "{body}", or use {", ".join(KEYS)}', column, len(key))
    if name == "label":
        return _label(value, column, len(body))
    if not value:
        raise QueryError(f"{name}: needs a value", column, len(body))
    if name == "status":
        words = tuple(word.upper() for word in value.split(",") if word)
        if not words:
            raise QueryError("status: needs a value", column, len(body))
        return Status(words)
    if name == "user" and value.lower() == "me":
        return _mine(me, column, len(body))
    choices = [Text.of(name, word) for word in value.split(",") if word]
    if not choices:
        raise QueryError(f"{name}: needs a value", column, len(body))
    return choices[0] if len(choices) == 1 else AnyOf(tuple(choices))


def _label(value: str, column: int, length: int) -> Term:
    if not value:
        raise QueryError("missing label after # or label:", column, length)
    return Label(value, beginning=value.endswith("="))


def _mine(me: str | None, column: int, length: int) -> Term:
    if me is None:
        raise QueryError("your user id is unknown on this platform; use user:ID", column, length)
    return Text.of("user", me)


def _pattern(name: str, value: str, column: int, start: int) -> Term:
    if not value:
        raise QueryError("missing pattern after ~", column, start - column)
    try:
        return Pattern(name, re.compile(value, re.NOFLAG if value != value.lower() else re.IGNORECASE))
    except (re.error, RecursionError, OverflowError) as error:
        at = start + (getattr(error, "pos", 0) or 0)
        raise QueryError(f"invalid pattern: {error}", min(at, start + len(value) - 1), 1) from None


def _compare(name: str, sign: str, value: str, start: int, length: int) -> Term:
    where = start if value else start - 1
    if name in TIMES:
        match = _DURATION.fullmatch(value.lower())
        if match is None:
            raise QueryError(f"{name} needs a duration such as 90s, 15m, 2h or 3d", where, len(value))
        return CompareTime(name, sign, float(match[1]) * _UNITS[match[2] or "m"])
    if name in SHARES:
        match = _PERCENT.fullmatch(value)
        if match is None:
            whole = "cores" if name == "used" else "memory"
            raise QueryError(f"{name} needs a percentage of its {whole} such as 2% or 0.5%", where, len(value))
        return CompareUse(name, sign, float(match[1]) / 100)
    if name == COST:
        match = _DOLLARS.fullmatch(value)
        if match is None:
            raise QueryError("cost needs dollars such as 5 or $0.50", where, len(value))
        return CompareCost(sign, float(match[1]))
    match = _SIZE.fullmatch(value)
    if match is None:
        raise QueryError(f"{name} needs a number such as 4 or 0.5", where, len(value))
    return Compare(name, sign, float(match[1]))
