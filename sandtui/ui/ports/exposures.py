"""How an exposed port looks: where it leads, and whether anybody answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sandtui.fleet.ports.exposures import PortRow
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, fit

UP, DOWN = "●", "✖"
NAME, PROTOCOL, PORT, LABEL = 20, 5, 5, 12


def head(width: int) -> list[Piece]:
    """Return the line above the rows."""
    text = f"   {'SANDBOX':<{NAME}} {'PORT':>{PORT}} {'PROTO':<{PROTOCOL}} "
    if width >= 100:
        text += f"{'NAME':<{LABEL}} "
    return [Piece(f"{text}{'ADDRESS':<{address_width(width)}} HEALTH", "dim")]


def line(row: PortRow, width: int) -> list[Piece]:
    """Return one row."""
    exposure = row.exposure
    name = row.sandbox_name or exposure.sandbox_id
    pieces = [
        sign(row),
        Piece(f" {fit(clean(name), NAME)} ", "text" if row.running else "dim"),
        Piece(f"{exposure.port:>{PORT}} "),
        Piece(f"{fit(clean((exposure.protocol or 'HTTP').lower()), PROTOCOL)} ", "dim"),
    ]
    if width >= 100:
        pieces.append(Piece(f"{fit(clean(exposure.name or ''), LABEL)} ", "dim"))
    pieces.append(Piece(f"{fit(clean(row.address), address_width(width))} ", "info"))
    return [*pieces, *health(row)]


def address_width(width: int) -> int:
    """Return the cells that the address gets."""
    return 44 if width >= 100 else 26


def sign(row: PortRow) -> Piece:
    """Return glyph and colour; the words beside it say the same."""
    if row.probing:
        return Piece("◐", "busy")
    if not row.running:
        return Piece("○", "dim")
    if row.health is None:
        return Piece("◌", "dim")
    return Piece(UP, "good") if row.health.up else Piece(DOWN, "bad")


def health(row: PortRow) -> list[Piece]:
    """Return what the last probe found."""
    if row.probing:
        return [Piece("asking …", "busy")]
    if not row.running:
        return [Piece("its sandbox does not run", "dim")]
    if row.health is None:
        return [Piece("not asked yet", "dim")]
    took = f" {row.health.milliseconds:.0f}ms" if row.health.milliseconds is not None and row.health.up else ""
    return [Piece(clean(row.health.words) + took, "good" if row.health.up else "bad")]


def counts(rows: Sequence[PortRow]) -> list[Piece]:
    """Return how many there are, and how many answer."""
    signs = Counter(sign(row).text for row in rows)
    up, down = signs[UP], signs[DOWN]
    pieces = [Piece(f"{len(rows)} exposed", "text")]
    if up:
        pieces.append(Piece(f"   ● {up} {'answers' if up == 1 else 'answer'}", "good"))
    if down:
        pieces.append(Piece(f"   ✖ {down} {'does' if down == 1 else 'do'} not", "bad"))
    return pieces
