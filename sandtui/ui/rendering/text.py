"""Text with a role, turned into Textual content that is drawn literally; widths are in cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.style import Style

from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.sgr import Ink

Role = Literal["text", "dim", "bright", "good", "busy", "waiting", "info", "bad", "key", "struck"]
"""What a text means; the theme decides how it looks."""

STYLES: dict[Role, str] = {
    "text": "$foreground",
    "dim": "$text-muted",
    "bright": "bold $foreground",
    "good": "$text-success",
    "busy": "$text-warning",
    "waiting": "$text-muted",
    "info": "$text-accent",
    "bad": "$text-error",
    "key": "bold $text-primary",
    "struck": "strike $text-muted",
}

ELLIPSIS = "…"

SHORTEST_MIDDLE = 6
"""Cells from which a text is cut in the middle: in fewer its beginning says more."""


TEXTS_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Piece:
    """A text with one role, already safe to draw. ``ink`` is the color that a program gave it."""

    text: str
    role: Role = "text"
    ink: Ink | None = None


def sentence_case(text: str) -> str:
    """Return a text with a capital first letter; other capitals, as in "QR code", stay."""
    return text[:1].upper() + text[1:]


def outside(text: str, role: Role = "text") -> Piece:
    """Return a text from outside, made safe to draw."""
    return Piece(clean(text), role)


def content(*pieces: Piece | str) -> Content:
    """Join pieces into content for a widget. A plain string must be our own text."""
    parts = [piece if isinstance(piece, Piece) else Piece(piece) for piece in pieces]
    joined = Content("")
    for part in parts:
        joined = joined.append(Content.styled(part.text, STYLES[part.role]) if part.text else Content(""))
    return joined


def lines(rows: list[Content]) -> Content:
    """Join rows with line breaks."""
    return Content("\n").join(rows)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad a text to exactly ``width`` cells; a cut text ends with an ellipsis."""
    have = cell_len(text)
    if have > width:
        if width <= 1:
            return set_cell_size(text, width) if width <= 0 else ELLIPSIS
        return set_cell_size(text, width - 1).rstrip("\0") + ELLIPSIS
    blank = " " * (width - have)
    return blank + text if right else text + blank


def fit_middle(text: str, width: int) -> str:
    """Cut or pad a text to exactly ``width`` cells; of a long one both ends stay, as ``eval-an…1095``."""
    if cell_len(text) <= width or width < SHORTEST_MIDDLE:
        return fit(text, width)
    tail, room = "", (width - 1) * 2 // 5
    for character in reversed(text):
        wide = cell_len(character)
        if wide > room:
            break
        tail, room = character + tail, room - wide
    # A combining mark without its letter would join the ellipsis.
    tail = tail.lstrip("".join(character for character in tail if not cell_len(character)))
    head = set_cell_size(text, width - 1 - cell_len(tail)).rstrip("\0")
    return head + ELLIPSIS + tail


def column_width(texts: Iterable[str], least: int, most: int) -> int:
    """Return the width of a column in which these texts are whole, within limits; of many the first ones count."""
    return max(least, min(most, max(map(width_of, islice(texts, TEXTS_LOOKED_AT)), default=0)))


def cut(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """Cut pieces to at most ``width`` cells; a cut line ends with an ellipsis."""
    room, shown = width, list[Piece]()
    for piece in pieces:
        have = cell_len(piece.text)
        if have > room:
            return [*shown, Piece(fit(piece.text, room), piece.role, piece.ink)] if room > 0 else _end(shown)
        shown.append(piece)
        room -= have
    return shown


def _end(shown: list[Piece]) -> list[Piece]:
    """Return pieces that fill their line, with the ellipsis over the last cell."""
    while shown and not shown[-1].text:
        shown.pop()
    if not shown:
        return shown
    last = shown.pop()
    have = cell_len(last.text)
    return [*shown, Piece(set_cell_size(last.text, have - 1).rstrip("\0") + ELLIPSIS, last.role, last.ink)]


def sort_arrow(rising: bool) -> str:
    """Return the arrow beside the sort column; ``rising`` tells whether shown values increase downwards."""
    return "↑" if rising else "↓"


def width_of(text: str) -> int:
    """Return the width of a text in cells."""
    return cell_len(text)


__all__ = [
    "ELLIPSIS",
    "STYLES",
    "Content",
    "Piece",
    "Role",
    "Style",
    "content",
    "cut",
    "fit",
    "fit_middle",
    "lines",
    "outside",
    "sentence_case",
    "sort_arrow",
    "width_of",
]
