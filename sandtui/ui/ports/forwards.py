"""Rendering of a forwarded port: endpoints, state and counters."""

from __future__ import annotations

from sandtui.fleet.ports.forward import Direction, Forward, ForwardState
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, Role, fit, fit_middle
from sandtui.ui.rendering.units import short_size

SIGNS: dict[ForwardState, tuple[str, Role]] = {
    ForwardState.CONNECTING: ("◐", "info"),
    ForwardState.OPEN: ("●", "good"),
    ForwardState.BROKEN: ("◌", "busy"),
    ForwardState.FAILED: ("✖", "bad"),
    ForwardState.CLOSED: ("○", "dim"),
}
NAME = 20
NARROW_NAME = 14
"""Cells for the name of the sandbox; a terminal under 100 columns gets the smaller one."""


def line(forward: Forward, width: int) -> list[Piece]:
    """Return one row. A note comes before the counters, whose end may be cut off."""
    glyph, role = SIGNS[forward.state]
    name = fit_middle(clean(forward.sandbox_name or forward.sandbox_id), NAME if width >= 100 else NARROW_NAME)
    here, there = f"localhost:{forward.local_port}", f"sandbox:{forward.spec.sandbox_port}"
    out = forward.spec.direction is Direction.OUT
    endpoints = f"{here:<15} → {there}" if out else f"{there:<15} → {here}"
    pieces = [
        Piece(glyph, role),
        Piece(f" {name} "),
        Piece(fit(endpoints, 34), "info"),
        Piece(f" {forward.state.value:<10} ", role),
    ]
    if forward.note:
        pieces.append(Piece(f"{clean(forward.note)}  ", "bad" if forward.state.is_over else "busy"))
    counters = f"↑ {short_size(forward.sent)}  ↓ {short_size(forward.received)}  {forward.connections} open"
    return [*pieces, Piece(counters, "dim")]
