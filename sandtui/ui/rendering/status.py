"""How a status is drawn: a glyph, a word and a role, never a color alone."""

from __future__ import annotations

import locale
import os
from collections import Counter
from dataclasses import dataclass

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, Role


@dataclass(frozen=True, slots=True)
class StatusStyle:
    """The appearance of a status; ``word`` has at most ten letters, to fit its column."""

    glyph: str
    ascii: str
    word: str
    role: Role


STATUS_STYLES: dict[str, StatusStyle] = {
    "RUNNING": StatusStyle("●", "*", "RUNNING", "good"),
    "PROVISIONING": StatusStyle("◐", "~", "PROVISION", "info"),
    "PENDING": StatusStyle("◌", ".", "PENDING", "waiting"),
    "PAUSED": StatusStyle("‖", "=", "PAUSED", "info"),
    "ERROR": StatusStyle("✖", "x", "ERROR", "bad"),
    "TERMINATED": StatusStyle("○", "o", "TERMINATED", "dim"),
    "TIMEOUT": StatusStyle("○", "o", "TIMEOUT", "dim"),
    "ORPHANED": StatusStyle("◇", "!", "ORPHANED", "busy"),
    "DELETING": StatusStyle("⌫", "-", "DELETING", "struck"),
}

SHOWN_ORDER = ("RUNNING", "PROVISIONING", "PENDING", "PAUSED", "DELETING", "ERROR", "TIMEOUT", "TERMINATED")


def unicode_terminal() -> bool:
    """Whether the terminal shows glyphs beyond ASCII."""
    if os.environ.get("SANDTUI_GLYPHS") == "ascii":
        return False
    return "utf" in locale.getpreferredencoding(False).lower()


_UNICODE = unicode_terminal()


def status_style(status: str) -> StatusStyle:
    """Return the appearance of a status; an unknown one is shown as it is."""
    known = STATUS_STYLES.get(status)
    if known is not None:
        return known
    return StatusStyle("?", "?", clean(status or "unknown")[:10], "waiting")


def glyph(status: str) -> Piece:
    """Return the glyph of a status."""
    style = status_style(status)
    return Piece(style.glyph if _UNICODE else style.ascii, style.role if style.role != "struck" else "dim")


def status_pieces(status: str) -> list[Piece]:
    """Return the glyph and the word of a status."""
    style = status_style(status)
    return [glyph(status), Piece(" "), Piece(style.word, style.role)]


def count_pieces(counts: Counter[str]) -> list[Piece]:
    """Return counts by glyph, such as ``●12  ✖1``; statuses that share a glyph are added."""
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


def status_count_pieces(counts: Counter[str]) -> list[Piece]:
    """Return counts by status in words, such as ``● 12 running, ✖ 1 error``."""
    known = [status for status in SHOWN_ORDER if counts.get(status)]
    others = sorted(status for status in counts if status not in SHOWN_ORDER)
    pieces: list[Piece] = []
    for status in (*known, *others):
        word = clean(status).lower() or "unknown"
        pieces += [Piece(", " if pieces else ""), glyph(status), Piece(f" {counts[status]:,} {word}")]
    return pieces
