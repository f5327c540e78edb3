"""The lines of the volumes screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sandtui.client import Volume
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.volumes.board import VolumeBoard
from sandtui.ui.rendering.text import Piece, fit, fit_middle, width_of
from sandtui.ui.rendering.units import age, short_size

SIGNS, SIZE, AGE, LEAST_USERS, HEAD = 3, 6, 5, 24, 24
LEAST_NAME = 16
WIDE = SIGNS + LEAST_NAME + SIZE + AGE + LEAST_USERS + HEAD + 7
"""From this width on, a line has room for the newest version."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The cells of the names and of the sandboxes, and whether the newest versions are shown."""

    name: int
    users: int
    has_head: bool


def columns(names: Iterable[str], width: int) -> Columns:
    """Return the columns for some names in a window of a width: what the names leave is for the sandboxes."""
    has_head = width >= WIDE
    room = width - SIGNS - SIZE - AGE - 5 - (HEAD + 2 if has_head else 0)
    longest = max((width_of(clean(name)) for name in names), default=0)
    name = min(max(LEAST_NAME, longest), max(LEAST_NAME, room - LEAST_USERS))
    return Columns(name, max(LEAST_USERS, room - name), has_head)


def head(cells: Columns) -> list[Piece]:
    """Return the headings."""
    text = f"{fit('NAME', cells.name)} {'SIZE':>{SIZE}} {'AGE':>{AGE}}  {fit('ATTACHED TO', cells.users)}"
    return [Piece(f"{' ' * SIGNS}{text}{'  NEWEST VERSION' if cells.has_head else ''}", "dim")]


def line(volume: Volume, users: Sequence[Row], cells: Columns, now: datetime, *, is_publishing: bool) -> list[Piece]:
    """Return one line, without the signs of the cursor and of a mark. ``users`` are the sandboxes that have it."""
    made = age(volume.created_at, now)
    version = volume.head_checkpoint_id
    size = short_size(volume.occupied_bytes) if version else "empty"
    pieces = [
        Piece(" "),
        Piece(fit_middle(clean(volume.name), cells.name), "bright"),
        Piece(f" {fit(size, SIZE, right=True)}", "text" if version else "dim"),
        Piece(f" {fit(made.text, AGE, right=True)}  ", made.role),
        Piece(fit("◐ publishing…", cells.users), "info") if is_publishing else Piece(_users(users, cells.users)),
    ]
    if cells.has_head:
        pieces.append(Piece("  "))
        pieces.append(Piece(fit_middle(clean(version or "nothing published"), HEAD), "dim"))
    return pieces


def _users(users: Sequence[Row], width: int) -> str:
    """Return the names of as many sandboxes as there is room for, and the number of the others."""
    names = [clean(each.sandbox.name or each.id) for each in users[: width // 2]]
    for count in range(len(names), 0, -1):
        more = f" +{len(users) - count:,}" if count < len(users) else ""
        text = ", ".join(names[:count])
        if width_of(text) + len(more) <= width or count == 1:
            return fit(fit_middle(text, width - len(more)).rstrip() + more, width)
    return " " * width


def summary(board: VolumeBoard) -> list[Piece]:
    """Return the number of volumes, and what they take of the storage."""
    found = board.volumes
    if not found:
        return []
    size = short_size(sum(each.occupied_bytes for each in found))
    limit = f" of {board.limit_gb:,} GB" if board.limit_gb else ""
    many = f"{len(found):,} volume{'s' * (len(found) != 1)}"
    return [Piece(f"{many} · {size}{limit}", "text")]
