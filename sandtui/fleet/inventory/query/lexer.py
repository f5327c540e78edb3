"""Splits a filter into tokens."""

from __future__ import annotations

from dataclasses import dataclass

from sandtui.fleet.inventory.query.mistake import QueryError

MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Token:
    """A token: ``kind`` is ``term``, ``quoted``, ``(``, ``)`` or ``or``.

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
        QueryError: a quote or a parenthesis is not closed.
    """
    found: list[Token] = []
    depth: list[int] = []
    index = 0
    while index < len(line):
        if line[index].isspace():
            index += 1
            continue
        start = index
        sign = ""
        if line[index] in "!-" and index + 1 < len(line) and not line[index + 1].isspace():
            sign = line[index]
            index += 1
        if line[index] == "(":
            found.append(Token("(", "(", start, index + 1 - start, sign))
            depth.append(start)
            if len(depth) > MAX_DEPTH:
                raise QueryError(f"more than {MAX_DEPTH} nested parentheses", start)
            index += 1
            continue
        if line[index] == ")" and not sign:
            if not depth:
                raise QueryError("unmatched )", index)
            depth.pop()
            found.append(Token(")", ")", index, 1))
            index += 1
            continue
        text, quoted, index = _word(line, index, closing=bool(depth))
        kind = "or" if text.lower() == "or" and not quoted and not sign else "quoted" if quoted else "term"
        if text:
            found.append(Token(kind, text, start, index - start, sign))
    if depth:
        raise QueryError("unclosed (", depth[-1])
    return found


def _word(line: str, index: int, *, closing: bool) -> tuple[str, bool, int]:
    """Read one word at ``index``: its text, whether all of it was quoted, and where it ends."""
    parts: list[str] = []
    quoted = line[index] == '"'
    while index < len(line) and not line[index].isspace():
        letter = line[index]
        if letter == '"':
            end = line.find('"', index + 1)
            if end < 0:
                raise QueryError('unclosed quote "', index, len(line) - index)
            parts.append(line[index + 1 : end])
            index = end + 1
            continue
        if letter == ")" and closing and _at_edge(line, index) and not _opened(parts):
            break
        quoted = False
        parts.append(letter)
        index += 1
    return "".join(parts), quoted, index


def _at_edge(line: str, index: int) -> bool:
    """Whether only closing parentheses follow before the next space."""
    rest = line[index:].split(maxsplit=1)[0]
    return not rest.strip(")")


def _opened(parts: list[str]) -> bool:
    """Whether the word itself opens a parenthesis, as ``copy(1)`` does."""
    word = "".join(parts)
    return word.count("(") > word.count(")")
