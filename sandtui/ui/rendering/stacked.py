"""Statuses as one stacked bar: the same order, colors and textures wherever groups of sandboxes are drawn."""

from __future__ import annotations

from collections import Counter

from sandtui.ui.rendering.charts import stacked
from sandtui.ui.rendering.status import SHOWN_ORDER, status_style, unicode_terminal
from sandtui.ui.rendering.text import Piece

FILLS = {
    "RUNNING": "▄",
    "PROVISIONING": "▒",
    "PENDING": "▒",
    "PAUSED": "=",
    "DELETING": "-",
    "ERROR": "✖",
    "TIMEOUT": "░",
    "TERMINATED": "░",
}
"""The characters that fill the parts, so that they differ without color too."""

_UNICODE = unicode_terminal()


def status_bar(counts: Counter[str], width: int) -> list[Piece]:
    """Return a bar of exactly ``width`` cells, divided by status; empty if there is nothing to count."""
    known = [status for status in SHOWN_ORDER if counts.get(status)]
    others = sorted(status for status in counts if status not in SHOWN_ORDER and counts[status])
    parts = []
    for status in (*known, *others):
        style = status_style(status)
        fill = FILLS.get(status, "?") if _UNICODE else style.ascii
        parts.append((counts[status], fill, "dim" if style.role == "struck" else style.role))
    return stacked(parts, width)
