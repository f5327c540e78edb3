"""From a line to the words that a query is made of."""

from __future__ import annotations

from dataclasses import dataclass

from sandtui.fleet.inventory.query.mistake import QueryError

MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Token:
    """A piece between blanks: ``kind`` is ``term``, ``quoted``, ``(``, ``)`` or ``or``.

    ``sign`` is the ``!`` or ``-`` before it. ``column`` counts from 0.
    """

    kind: str
    text: str
    column: int
    length: int
    sign: str = ""


def tokens(line: str) -> list[Token]:
    """Split a line; a parenthesis counts as one only at the edge of a word and outside quotes.

    Raises:
        QueryError: a quote or a parenthesis is missing its other half.
    """
    found: list[Token] = []
    depth: list[int] = []
    place = 0
    while place < len(line):
        if line[place].isspace():
            place += 1
            continue
        start = place
        sign = ""
        if line[place] in "!-" and place + 1 < len(line) and not line[place + 1].isspace():
            sign = line[place]
            place += 1
        if line[place] == "(":
            found.append(Token("(", "(", start, place + 1 - start, sign))
            depth.append(start)
            if len(depth) > MAX_DEPTH:
                raise QueryError(f"more than {MAX_DEPTH} parentheses in one another", start)
            place += 1
            continue
        if line[place] == ")" and not sign:
            if not depth:
                raise QueryError("a ) has no ( before it", place)
            depth.pop()
            found.append(Token(")", ")", place, 1))
            place += 1
            continue
        text, quoted, place = _word(line, place, closing=bool(depth))
        kind = "or" if text.lower() == "or" and not quoted and not sign else "quoted" if quoted else "term"
        if text:
            found.append(Token(kind, text, start, place - start, sign))
    if depth:
        raise QueryError("a ( is missing its )", depth[-1])
    return found


def _word(line: str, place: int, *, closing: bool) -> tuple[str, bool, int]:
    """Read one word from ``place``: its text, whether all of it was quoted, and where it ends."""
    parts: list[str] = []
    quoted = line[place] == '"'
    while place < len(line) and not line[place].isspace():
        letter = line[place]
        if letter == '"':
            end = line.find('"', place + 1)
            if end < 0:
                raise QueryError('a quote " is missing its end', place, len(line) - place)
            parts.append(line[place + 1 : end])
            place = end + 1
            continue
        if letter == ")" and closing and _at_edge(line, place) and not _opened(parts):
            break
        quoted = False
        parts.append(letter)
        place += 1
    return "".join(parts), quoted, place


def _at_edge(line: str, place: int) -> bool:
    """Whether only closing parentheses follow before the next blank."""
    rest = line[place:].split(maxsplit=1)[0]
    return not rest.strip(")")


def _opened(parts: list[str]) -> bool:
    """Whether the word itself opened a parenthesis, as ``copy(1)`` does."""
    word = "".join(parts)
    return word.count("(") > word.count(")")
