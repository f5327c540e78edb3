"""The lines of the volumes screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sandtui.client import Volume
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.volumes.board import VolumeBoard
from sandtui.ui.rendering.text import Piece, fit, fit_middle
from sandtui.ui.rendering.units import age, short_size

SIGNS, SIZE, AGE, USERS, HEAD = 3, 6, 5, 24, 24
LEAST_NAME, MOST_NAME = 16, 48
WIDE = SIGNS + LEAST_NAME + SIZE + AGE + USERS + HEAD + 7
"""From this width on, a line has room for the newest version."""


def name_width(width: int) -> int:
    """Return the cells of a name in a window of a width."""
    others = SIGNS + SIZE + AGE + USERS + 5 + (HEAD + 2 if width >= WIDE else 0)
    return min(MOST_NAME, max(LEAST_NAME, width - others))


def head(width: int) -> list[Piece]:
    """Return the headings."""
    text = f"{fit('NAME', name_width(width))} {'SIZE':>{SIZE}} {'AGE':>{AGE}}  {fit('ATTACHED TO', USERS)}"
    return [Piece(f"{' ' * SIGNS}{text}{'  NEWEST VERSION' if width >= WIDE else ''}", "dim")]


def line(volume: Volume, users: Sequence[Row], width: int, now: datetime, *, is_publishing: bool) -> list[Piece]:
    """Return one line, without the signs of the cursor and of a mark. ``users`` are the sandboxes that have it."""
    made = age(volume.created_at, now)
    version = volume.head_checkpoint_id
    size = short_size(volume.occupied_bytes) if version else "empty"
    pieces = [
        Piece(" "),
        Piece(fit_middle(clean(volume.name), name_width(width)), "bright"),
        Piece(f" {fit(size, SIZE, right=True)}", "text" if version else "dim"),
        Piece(f" {fit(made.text, AGE, right=True)}  ", made.role),
        Piece(fit("◐ publishing…", USERS), "info") if is_publishing else Piece(fit(_users(users), USERS)),
    ]
    if width >= WIDE:
        pieces.append(Piece("  "))
        pieces.append(Piece(fit_middle(clean(version or "nothing published"), HEAD), "dim"))
    return pieces


def _users(users: Sequence[Row]) -> str:
    if not users:
        return ""
    more = f" +{len(users) - 1:,}" if len(users) > 1 else ""
    return fit_middle(clean(users[0].sandbox.name or users[0].id), USERS - len(more)).rstrip() + more


def summary(board: VolumeBoard) -> list[Piece]:
    """Return the number of volumes, and what they take of the storage."""
    found = board.volumes
    if not found:
        return []
    size = short_size(sum(each.occupied_bytes for each in found))
    limit = f" of {board.limit_gb:,} GB" if board.limit_gb else ""
    many = f"{len(found):,} volume{'s' * (len(found) != 1)}"
    return [Piece(f"{many} · {size}{limit}", "text")]
