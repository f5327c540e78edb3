"""From text of any origin to content that is drawn literally, in cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.style import Style

from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.sgr import Ink

Role = Literal["text", "dim", "bright", "good", "busy", "waiting", "info", "bad", "key", "struck"]
"""What a piece of text means. The theme decides how that looks."""

STYLES: dict[Role, str] = {
    "text": "$foreground",
    "dim": "$text-muted",
    "bright": "bold $foreground",
    "good": "$text-success",
    "busy": "$text-warning",
    "waiting": "$text-warning",
    "info": "$text-accent",
    "bad": "$text-error",
    "key": "bold $text-primary",
    "struck": "strike $text-muted",
}

ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text with one meaning; already safe to draw. ``ink`` is the colour that a program gave it."""

    text: str
    role: Role = "text"
    ink: Ink | None = None


def outside(text: str, role: Role = "text") -> Piece:
    """Return a piece of text that came from outside, made safe."""
    return Piece(clean(text), role)


def content(*pieces: Piece | str) -> Content:
    """Join pieces to content for a widget. A bare string is our own text."""
    parts = [piece if isinstance(piece, Piece) else Piece(piece) for piece in pieces]
    joined = Content("")
    for part in parts:
        joined = joined.append(Content.styled(part.text, STYLES[part.role]) if part.text else Content(""))
    return joined


def lines(rows: list[Content]) -> Content:
    """Join rows with line breaks."""
    return Content("\n").join(rows)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad text to exactly ``width`` cells; what is cut ends in an ellipsis."""
    have = cell_len(text)
    if have > width:
        if width <= 1:
            return set_cell_size(text, width) if width <= 0 else ELLIPSIS
        return set_cell_size(text, width - 1).rstrip("\0") + ELLIPSIS
    blank = " " * (width - have)
    return blank + text if right else text + blank


def sort_arrow(rising: bool) -> str:
    """Return the sign beside what a table is sorted by: up when what is shown rises from line to line."""
    return "↑" if rising else "↓"


def width_of(text: str) -> int:
    """Return the width in cells."""
    return cell_len(text)


__all__ = [
    "STYLES",
    "Content",
    "Piece",
    "Role",
    "Style",
    "content",
    "fit",
    "lines",
    "outside",
    "sort_arrow",
    "width_of",
]
