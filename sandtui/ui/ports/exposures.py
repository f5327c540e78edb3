"""Rendering of exposed ports: address and health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sandtui.fleet.ports.exposures import PortRow
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, column_width, fit, fit_middle

UP, DOWN = "●", "✖"
PROTOCOL, PORT, HEALTH = 5, 5, 22


@dataclass(frozen=True, slots=True)
class Widths:
    """The widths of the columns: those of their content, as far as there is room. Without room there is no label."""

    name: int
    label: int
    address: int

    @classmethod
    def of(cls, rows: Sequence[PortRow], width: int) -> Widths:
        """Return the widths for some rows."""
        name = column_width(map(_name, rows), 8, 20 if width < 100 else width // 5)
        label = 0 if width < 100 else column_width((clean(row.exposure.name or "") for row in rows), 4, 20)
        room = width - 2 - 3 - name - 1 - PORT - 1 - PROTOCOL - 1 - (label + 1 if label else 0) - 1 - HEALTH
        return cls(name, label, column_width((clean(row.address) for row in rows), 7, max(12, room)))


def head(widths: Widths) -> list[Piece]:
    """Return the column headings."""
    text = f"   {'SANDBOX':<{widths.name}} {'PORT':>{PORT}} {'PROTO':<{PROTOCOL}} "
    if widths.label:
        text += f"{'NAME':<{widths.label}} "
    return [Piece(f"{text}{'ADDRESS':<{widths.address}} HEALTH", "dim")]


def line(row: PortRow, widths: Widths) -> list[Piece]:
    """Return one row."""
    exposure = row.exposure
    pieces = [
        sign(row),
        Piece(f" {fit_middle(_name(row), widths.name)} ", "text" if row.running else "dim"),
        Piece(f"{exposure.port:>{PORT}} "),
        Piece(f"{fit(clean((exposure.protocol or 'HTTP').lower()), PROTOCOL)} ", "dim"),
    ]
    if widths.label:
        pieces.append(Piece(f"{fit_middle(clean(exposure.name or ''), widths.label)} ", "dim"))
    pieces.append(Piece(f"{fit_middle(clean(row.address), widths.address)} ", "info"))
    return [*pieces, *health(row)]


def _name(row: PortRow) -> str:
    return clean(row.sandbox_name or row.exposure.sandbox_id)


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
