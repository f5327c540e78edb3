"""Measures of sandboxes in eight levels, for a map of the whole fleet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from sandtui.fleet.inventory.row import NEVER, Row

LEVELS = 8

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

_AGES = (MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 7 * DAY)
_LEFT = (2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY)


@dataclass(frozen=True, slots=True)
class HeatMeasure:
    """What a map shows of each sandbox.

    ``level`` returns 0 to 7, or None if the value is unknown or there is none; ``timed`` tells whether it depends on
    the time. ``names`` are those of the levels. Without ``level`` the map shows the status.
    """

    id: str
    title: str
    names: tuple[str, ...] = ()
    level: Callable[[Row, float], int | None] | None = None
    timed: bool = False
    unknown: str = ""
    """What it means that there is no level."""


def _age(row: Row, now: float) -> int | None:
    if not row.created:
        return None
    return bisect_right(_AGES, now - row.created)


def _left(row: Row, now: float) -> int | None:
    if row.expires == NEVER or row.sandbox.is_finished:
        return None
    return len(_LEFT) - bisect_right(_LEFT, row.expires - now)


def _cpu(row: Row, _: float) -> int | None:
    return _share(row.used)


def _memory(row: Row, _: float) -> int | None:
    return _share(row.memory_used)


def _share(share: float | None) -> int | None:
    return None if share is None else max(0, min(LEVELS - 1, int(share * LEVELS)))


_SHARES = ("<12%", "<25%", "<38%", "<50%", "<62%", "<75%", "<88%", "more")

MEASURES: tuple[HeatMeasure, ...] = (
    HeatMeasure("status", "status"),
    HeatMeasure("age", "age", ("<1m", "<10m", "<1h", "<4h", "<12h", "<1d", "<7d", "older"), _age, True, "unknown"),
    HeatMeasure(
        "left", "time left", ("more", "<1d", "<12h", "<4h", "<1h", "<30m", "<10m", "<2m"), _left, True, "no end"
    ),
    HeatMeasure("cpu", "CPU", _SHARES, _cpu, unknown="not measured"),
    HeatMeasure("memory", "memory", _SHARES, _memory, unknown="not measured"),
)
