"""Bar charts one line high."""

from __future__ import annotations

BARS = "▁▂▃▄▅▆▇█"


def spark(values: list[int]) -> str:
    """Return a bar for each value; the largest value has a full bar, zero the lowest."""
    top = max(values, default=0)
    if not top:
        return BARS[0] * len(values)
    return "".join(BARS[0 if not value else max(1, value * (len(BARS) - 1) // top)] for value in values)
