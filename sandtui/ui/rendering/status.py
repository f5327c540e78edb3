"""How a status looks: a glyph, a word and a meaning, never a colour alone."""

from __future__ import annotations

import locale
import os
from collections import Counter
from dataclasses import dataclass

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, Role


@dataclass(frozen=True, slots=True)
class StatusLook:
    """The signs of one status; ``word`` has ten letters at most, to fit its column."""

    glyph: str
    ascii: str
    word: str
    role: Role


LOOKS: dict[str, StatusLook] = {
    "RUNNING": StatusLook("●", "*", "RUNNING", "good"),
    "PROVISIONING": StatusLook("◐", "~", "PROVISION", "busy"),
    "PENDING": StatusLook("◌", ".", "PENDING", "waiting"),
    "PAUSED": StatusLook("‖", "=", "PAUSED", "info"),
    "ERROR": StatusLook("✖", "x", "ERROR", "bad"),
    "TERMINATED": StatusLook("○", "o", "TERMINATED", "dim"),
    "TIMEOUT": StatusLook("○", "o", "TIMEOUT", "dim"),
    "DELETING": StatusLook("⌫", "-", "DELETING", "struck"),
}

SHOWN_ORDER = ("RUNNING", "PROVISIONING", "PENDING", "PAUSED", "DELETING", "ERROR", "TIMEOUT", "TERMINATED")


def unicode_terminal() -> bool:
    """Whether glyphs beyond ASCII can be shown here."""
    if os.environ.get("SANDTUI_GLYPHS") == "ascii":
        return False
    return "utf" in locale.getpreferredencoding(False).lower()


_UNICODE = unicode_terminal()


def look(status: str) -> StatusLook:
    """Return the look of a status; words that we do not know are shown as they are."""
    known = LOOKS.get(status)
    if known is not None:
        return known
    return StatusLook("?", "?", clean(status or "unknown")[:10], "waiting")


def glyph(status: str) -> Piece:
    """Return the sign of a status."""
    shape = look(status)
    return Piece(shape.glyph if _UNICODE else shape.ascii, shape.role if shape.role != "struck" else "dim")


def status_pieces(status: str) -> list[Piece]:
    """Return glyph, blank and word."""
    shape = look(status)
    return [glyph(status), Piece(" "), Piece(shape.word, shape.role)]


def count_pieces(counts: Counter[str]) -> list[Piece]:
    """Return how many there are of each sign, as ``●12  ✖1``: statuses that share a sign are added."""
    known = [status for status in SHOWN_ORDER if counts.get(status)]
    others = sorted(status for status in counts if status not in SHOWN_ORDER)
    sums: dict[Piece, int] = {}
    for status in (*known, *others):
        sign = glyph(status)
        sums[sign] = sums.get(sign, 0) + counts[status]
    pieces: list[Piece] = []
    for sign, count in sums.items():
        pieces += [Piece("  " if pieces else ""), Piece(f"{sign.text}{count:,}", sign.role)]
    return pieces
