"""Numbers, sizes and times as people read them."""

from __future__ import annotations

from datetime import datetime

from sandtui.fleet.text.units import (
    NONE,
    aware,
    clock_time,
    counted,
    duration,
    long_duration,
    number,
    short_size,
    since,
    size_text,
)
from sandtui.ui.rendering.text import Piece

__all__ = [
    "NONE",
    "age",
    "aware",
    "clock_time",
    "counted",
    "duration",
    "long_duration",
    "number",
    "short_size",
    "since",
    "size_text",
    "time_left",
]

DUE = "due!"

SOON_SECONDS = 600
VERY_SOON_SECONDS = 120


def age(moment: datetime | None, now: datetime) -> Piece:
    """Return the time since a moment."""
    seconds = since(moment, now)
    return Piece(NONE, "dim") if seconds is None else Piece(duration(seconds))


def time_left(expires: datetime | None, now: datetime) -> Piece:
    """Return the time until a moment; ``!`` and a color mark the last minutes."""
    passed = since(expires, now)
    if passed is None:
        return Piece(NONE, "dim")
    left = -passed
    if left <= 0:
        return Piece(DUE, "bad")
    if left < VERY_SOON_SECONDS:
        return Piece(duration(left) + "!", "bad")
    return Piece(duration(left) + "!", "busy") if left < SOON_SECONDS else Piece(duration(left))
