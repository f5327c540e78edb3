"""The header line of a group: its value, a bar of its statuses, their counts, and its resources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from sandtui.fleet.inventory.cost import money
from sandtui.fleet.inventory.groups import NONE, Group
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.stacked import status_bar
from sandtui.ui.rendering.status import count_pieces
from sandtui.ui.rendering.text import Piece, cut, fit_middle, width_of
from sandtui.ui.rendering.units import counted, number

NAMES_LOOKED_AT = 500
BAR, NARROW_BAR, WIDE = 20, 14, 90


@dataclass(frozen=True, slots=True)
class GroupScale:
    """What the headers of all groups share, so that their bars stand below each other and have one scale."""

    name_width: int = 0
    counts_width: int = 0
    most: int = 1
    """Sandboxes in the largest group that has a value, whose bar is full."""

    @classmethod
    def of(cls, groups: Iterable[Group]) -> GroupScale:
        """Return the scale of some groups."""
        shown = list(islice(groups, NAMES_LOOKED_AT))
        widest = max((width_of(clean(group.key)) for group in shown), default=0)
        counted_in = max((_width(count_pieces(group.counts)) for group in shown), default=0)
        # What has no value is often most of the fleet, beside which the bars of the others would be dots.
        named = [len(group.rows) for group in shown if group.key != NONE]
        return cls(widest, counted_in, max(named or [len(group.rows) for group in shown], default=1))


def group_pieces(group: Group, scale: GroupScale, width: int) -> list[Piece]:
    """Return the header line of a group, at most ``width`` cells wide; resources are left out where they do not fit."""
    bar = BAR if width >= WIDE else NARROW_BAR
    count = max(3, width_of(f"{scale.most:,}"))
    # A long name has what the bars and the counts leave.
    name = min(scale.name_width, max(8, width // 3, width - 2 - 1 - count - 2 - bar - 2 - scale.counts_width))
    # Each status has at least a cell.
    length = max(len(group.counts), min(bar, round(len(group.rows) / max(1, scale.most) * bar)))
    pieces = [
        Piece("▸ " if group.collapsed else "▾ ", "key"),
        Piece(fit_middle(clean(group.key), name), "bright"),
        Piece(f" {len(group.rows):>{count},}  ", "dim"),
        *status_bar(group.counts, length),
        Piece(" " * max(0, bar - length) + "  "),
        *count_pieces(group.counts),
    ]
    held = (
        f"   {counted(round(group.cores, 1), 'core')} · {number(round(group.memory_gb, 1))} GB" if group.cores else ""
    )
    held += f" · {counted(group.gpus, 'GPU')}" if group.gpus else ""
    held += f" · ~{money(group.per_hour)}/h" if held and group.per_hour is not None else ""
    if held and _width(pieces) + width_of(held) <= width:
        pieces.append(Piece(held, "dim"))
    return cut(pieces, width)


def _width(pieces: Iterable[Piece]) -> int:
    return sum(width_of(piece.text) for piece in pieces)
