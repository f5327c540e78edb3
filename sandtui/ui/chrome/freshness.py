"""How good the data is, in words (mockups/states.txt)."""

from __future__ import annotations

from datetime import datetime

from sandtui.fleet.inventory.refresh import Freshness, Phase
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, Role
from sandtui.ui.rendering.units import clock_time, duration, since

STALE_AFTER = 15.0
"""Seconds after which data that should be live is called by its age."""


def freshness_pieces(freshness: Freshness, now: datetime) -> list[Piece]:
    """Return the short form for the header: ``● live 2s``, ``▲ offline 41s``."""
    age = since(freshness.fresh_at, now)
    known = "" if age is None else f" {duration(age)}"
    if freshness.phase is Phase.LOADING:
        if freshness.pages > 1:
            return [Piece("◌ ", "waiting"), Piece(f"page {freshness.page} of {freshness.pages}", "waiting")]
        return [Piece("◌ ", "waiting"), Piece("loading", "waiting")]
    if freshness.phase is Phase.LIVE:
        role: Role = "good" if age is None or age < STALE_AFTER else "dim"
        return [Piece("● ", role), Piece(f"live{known}", role)]
    if freshness.phase is Phase.STOPPED:
        return [Piece("‖ ", "info"), Piece(f"paused{known}", "info")]
    if freshness.phase is Phase.UNAUTHORIZED:
        return [Piece("▲ ", "bad"), Piece("key refused", "bad")]
    return [Piece("▲ ", "bad"), Piece(f"offline{known}", "bad")]


def problem_pieces(freshness: Freshness, monotonic: float, now: datetime, refresh: str) -> list[Piece]:
    """Return the long form for the line above the key hints, with the key that asks now; empty while all is well."""
    if freshness.phase in {Phase.LIVE, Phase.LOADING}:
        return []
    if freshness.phase is Phase.STOPPED:
        return [Piece("‖ nobody was here for a while, so nothing is asked: any key goes on", "info")]
    pieces = [Piece("▲ ", "bad"), Piece(clean(freshness.problem), "bad")]
    if freshness.retry_at is not None:
        left = max(0, round(freshness.retry_at - monotonic))
        pieces.append(Piece(f" · retry in {left}s, {refresh} now", "dim"))
    if freshness.fresh_at is not None:
        pieces.append(Piece(f" · data from {clock_time(freshness.fresh_at, now)}", "dim"))
    return pieces
