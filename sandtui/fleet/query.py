"""The filter's language: one line, applied at each key stroke (tui.md 3.5).

Plain words are looked up in name, id, image and labels; lower case matches any case, a capital makes a word
exact. ``#x`` or ``label:x`` asks for a label (``#x=`` for one that starts so), ``status:a,b`` for one of
some statuses, ``image:glob`` for an image. ``!`` or ``-`` before a term turns it round; quotes hold blanks
together. All terms must match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sandtui.fleet.store import Row

KEYS = ("label", "status", "image", "name", "id")

_Test = Callable[[Row], bool]


class QueryError(ValueError):
    """A query that can't be understood; ``column`` is where, counted from 0."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter. ``labels`` are those that every match carries in full."""

    text: str
    labels: tuple[str, ...]
    tests: tuple[_Test, ...]

    def matches(self, row: Row) -> bool:
        """Whether a row passes every term."""
        return all(test(row) for test in self.tests)

    def __bool__(self) -> bool:
        return bool(self.tests)


EVERYTHING = Query("", (), ())


def parse(text: str) -> Query:
    """Parse a filter.

    Raises:
        QueryError: an unknown key, a key without a value or a quote without its end.
    """
    tests: list[_Test] = []
    labels: list[str] = []
    for column, token, quoted in _tokens(text):
        negated = not quoted and len(token) > 1 and token[0] in "!-"
        body = token[1:] if negated else token
        test, label = _word(body) if quoted else _term(body, column + negated)
        if label is not None and not negated:
            labels.append(label)
        tests.append(_negate(test) if negated else test)
    return Query(text, tuple(labels), tuple(tests))


def _term(body: str, column: int) -> tuple[_Test, str | None]:
    if body.startswith("#"):
        return _label(body[1:], column)
    key, colon, value = body.partition(":")
    if not colon or not key.isalpha():
        return _word(body)
    key = key.lower()
    if key not in KEYS:
        # An image such as node:20 is typed more often than a wrong key: say how to look for it.
        raise QueryError(f'no filter is called "{key}" (there are {", ".join(KEYS)}); quote "{body}"', column)
    if key == "label":
        return _label(value, column)
    if not value:
        raise QueryError(f"{key}: needs a value", column)
    return _field(key, value), None


def _label(value: str, column: int) -> tuple[_Test, str | None]:
    if not value:
        raise QueryError("a label is missing after # or label:", column)
    if value.endswith("="):
        return lambda row: any(label.startswith(value) for label in row.sandbox.labels), None
    return lambda row: value in row.sandbox.labels, value


def _field(key: str, value: str) -> _Test:
    if key == "status":
        words = tuple(word.upper() for word in value.split(",") if word)
        return lambda row: any(row.status.upper().startswith(word) for word in words)
    if key == "image":
        return lambda row: _glob(row.sandbox.docker_image, value)
    if key == "name":
        return lambda row: _glob(row.sandbox.name, value)
    return lambda row: _glob(row.id, value)


def _glob(text: str, pattern: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(text.lower(), pattern.lower())
    return pattern.lower() in text.lower()


def _word(word: str) -> tuple[_Test, None]:
    if word == word.lower():
        return lambda row: word in row.haystack, None

    def exact(row: Row) -> bool:
        sandbox = row.sandbox
        return any(word in text for text in (sandbox.name, sandbox.id, sandbox.docker_image, *sandbox.labels))

    return exact, None


def _negate(test: _Test) -> _Test:
    return lambda row: not test(row)


def _tokens(text: str) -> list[tuple[int, str, bool]]:
    """Split at blanks outside quotes: column, text, and whether all of it was quoted."""
    tokens: list[tuple[int, str, bool]] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        start, parts, quoted = place, [], text[place] == '"'
        while place < len(text) and not text[place].isspace():
            if text[place] == '"':
                end = text.find('"', place + 1)
                if end < 0:
                    raise QueryError('a quote " is missing its end', place)
                parts.append(text[place + 1 : end])
                place = end + 1
            else:
                quoted = False
                parts.append(text[place])
                place += 1
        if parts and any(parts):
            tokens.append((start, "".join(parts), quoted))
    return tokens
