"""The header line of a group: its value, the number of sandboxes by status, and their resources."""

from __future__ import annotations

from sandtui.fleet.inventory.groups import Group
from sandtui.ui.rendering.status import count_pieces
from sandtui.ui.rendering.text import Piece, outside
from sandtui.ui.rendering.units import counted, number


def group_pieces(group: Group) -> list[Piece]:
    """Return the header line of a group."""
    pieces = [
        Piece("▸ " if group.collapsed else "▾ ", "key"),
        outside(group.key, "bright"),
        Piece(f"  {len(group.rows):,}   ", "dim"),
        *count_pieces(group.counts),
    ]
    if group.cores:
        held = f"   {counted(round(group.cores, 1), 'core')} · {number(round(group.memory_gb, 1))} GB"
        pieces.append(Piece(held, "dim"))
    if group.gpus:
        pieces.append(Piece(f" · {counted(group.gpus, 'GPU')}", "dim"))
    return pieces
