"""How fresh the data is, in words."""

from __future__ import annotations

from datetime import datetime

from sandtui.fleet.inventory.refresh import Freshness, Phase
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, Role
from sandtui.ui.rendering.units import clock_time, duration, since

STALE_AFTER = 15.0
"""Age in seconds from which live data is dimmed."""


def freshness_pieces(freshness: Freshness, now: datetime) -> list[Piece]:
    """Return the short form for the header: ``● live 2s``, ``▲ offline 41s``."""
    age = since(freshness.fresh_at, now)
    text = "" if age is None else f" {duration(age)}"
    if freshness.phase is Phase.LOADING:
        if freshness.pages > 1:
            return [Piece("◌ ", "waiting"), Piece(f"page {freshness.page} of {freshness.pages}", "waiting")]
        return [Piece("◌ ", "waiting"), Piece("loading", "waiting")]
    if freshness.phase is Phase.LIVE:
        role: Role = "good" if age is None or age < STALE_AFTER else "dim"
        return [Piece("● ", role), Piece(f"live{text}", role)]
    if freshness.phase is Phase.STOPPED:
        return [Piece("‖ ", "info"), Piece(f"paused{text}", "info")]
    if freshness.phase is Phase.UNAUTHORIZED:
        return [Piece("▲ ", "bad"), Piece("API key rejected", "bad")]
    return [Piece("▲ ", "bad"), Piece(f"offline{text}", "bad")]


def problem_pieces(freshness: Freshness, monotonic: float, now: datetime, refresh: str) -> list[Piece]:
    """Return the long form for the status line; empty while all is well. ``refresh`` is the key that retries now."""
    if freshness.phase in {Phase.LIVE, Phase.LOADING}:
        return []
    if freshness.phase is Phase.STOPPED:
        return [Piece("‖ auto-refresh paused (idle): press any key", "info")]
    pieces = [Piece("▲ ", "bad"), Piece(clean(freshness.problem), "bad")]
    if freshness.retry_at is not None:
        left = max(0, round(freshness.retry_at - monotonic))
        pieces.append(Piece(f" · retrying in {left}s ({refresh}: now)", "dim"))
    if freshness.fresh_at is not None:
        pieces.append(Piece(f" · stale since {clock_time(freshness.fresh_at, now)}", "dim"))
    return pieces
