"""Syntax highlighting."""

from __future__ import annotations

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.token import Comment, Generic, Keyword, Literal, Name, Number, String, Token
from pygments.util import ClassNotFound

from sandtui.fleet.text.sanitize import clean_line
from sandtui.ui.rendering.text import Piece, Role

_ROLES: tuple[tuple[object, Role], ...] = (
    (Comment, "dim"),
    (Keyword, "key"),
    (String, "good"),
    (Number, "info"),
    (Literal, "info"),
    (Name.Function, "bright"),
    (Name.Class, "bright"),
    (Name.Decorator, "info"),
    (Name.Tag, "key"),
    (Name.Attribute, "info"),
    (Name.Builtin, "info"),
    (Generic.Heading, "bright"),
    (Generic.Deleted, "bad"),
    (Generic.Inserted, "good"),
)


def code_lines(text: str, name: str) -> list[list[Piece]]:
    """Return the highlighted lines of a file; its name tells the language. Slow: call it in a thread."""
    lines: list[list[Piece]] = [[]]
    for kind, value in _lexer(name).get_tokens(text):
        role = _role(kind)
        first, *more = value.split("\n")
        if first:
            lines[-1].append(Piece(clean_line(first), role))
        lines += [[Piece(clean_line(part), role)] if part else [] for part in more]
    if not lines[-1]:
        lines.pop()
    return lines


def _lexer(name: str) -> Lexer:
    try:
        return get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except (ClassNotFound, ValueError):
        return TextLexer(stripnl=False, ensurenl=False)


def _role(kind: object) -> Role:
    if kind in Token.Text:
        return "text"
    return next((role for token, role in _ROLES if kind in token), "text")  # type: ignore[operator]
