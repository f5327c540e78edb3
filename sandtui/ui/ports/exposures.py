"""Rendering of exposed ports: address and health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sandtui.fleet.ports.exposures import PortRow
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, fit

UP, DOWN = "●", "✖"
NAME, PROTOCOL, PORT, LABEL = 20, 5, 5, 12


def head(width: int) -> list[Piece]:
    """Return the column headings."""
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
    """Return the width of the address column in cells."""
    return 44 if width >= 100 else 26


def sign(row: PortRow) -> Piece:
    """Return the status glyph."""
    if row.probing:
        return Piece("◐", "info")
    if not row.running:
        return Piece("○", "dim")
    if row.health is None:
        return Piece("◌", "dim")
    return Piece(UP, "good") if row.health.up else Piece(DOWN, "bad")


def health(row: PortRow) -> list[Piece]:
    """Return the result of the last probe."""
    if row.probing:
        return [Piece("checking …", "info")]
    if not row.running:
        return [Piece("not running", "dim")]
    if row.health is None:
        return [Piece("not checked", "dim")]
    took = f" {row.health.milliseconds:.0f}ms" if row.health.milliseconds is not None and row.health.up else ""
    return [Piece(clean(row.health.detail) + took, "good" if row.health.up else "bad")]


def counts(rows: Sequence[PortRow]) -> list[Piece]:
    """Return the number of exposed, healthy and unreachable ports."""
    signs = Counter(sign(row).text for row in rows)
    up, down = signs[UP], signs[DOWN]
    pieces = [Piece(f"{len(rows)} exposed", "text")]
    if up:
        pieces.append(Piece(f" · {up} healthy", "good"))
    if down:
        pieces.append(Piece(f" · {down} down", "bad"))
    return pieces
