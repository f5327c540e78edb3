"""The columns of the fleet table: what each shows and which give way when the window is narrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sandtui.fleet.sanitize import clean
from sandtui.fleet.store import Row
from sandtui.ui.render.status import glyph, look
from sandtui.ui.render.text import Piece, fit, width_of
from sandtui.ui.render.units import age, number, time_left

Cell = list[Piece]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``keep`` orders the sacrifice: columns with a larger number go first.

    ``width`` is in cells; ``grows`` says that it takes a share of what is left over.
    """

    id: str
    title: str
    width: int
    keep: int
    cell: Callable[[Row, datetime], Cell]
    right: bool = False
    grows: int = 0


def _status(row: Row, _: datetime) -> Cell:
    shape = look(row.status)
    return [glyph(row.status), Piece(" "), Piece(shape.word, shape.role)]


def _name(row: Row, _: datetime) -> Cell:
    if row.sandbox.is_finished or row.missing:
        return [Piece(clean(row.sandbox.name), "dim")]
    return [Piece(clean(row.sandbox.name))]


def _id(row: Row, _: datetime) -> Cell:
    return [Piece(clean(row.id), "dim")]


def _image(row: Row, _: datetime) -> Cell:
    return [Piece(clean(row.sandbox.docker_image), "dim" if row.sandbox.is_finished else "text")]


def _size(row: Row, _: datetime) -> Cell:
    sandbox = row.sandbox
    text = f"{number(sandbox.cpu_cores)}c/{number(sandbox.memory_gb)}G"
    if sandbox.gpu_count:
        text += f"+{sandbox.gpu_count}gpu"
    return [Piece(text, "dim" if sandbox.is_finished else "text")]


def _labels(row: Row, _: datetime) -> Cell:
    return [Piece(clean(" ".join(row.sandbox.labels)), "dim" if row.sandbox.is_finished else "info")]


def _age(row: Row, now: datetime) -> Cell:
    return [age(row.sandbox.created_at, now)]


def _left(row: Row, now: datetime) -> Cell:
    return [time_left(row.sandbox.expires_at, now)]


COLUMNS: tuple[Column, ...] = (
    Column("status", "STATUS", 12, 0, _status),
    Column("name", "NAME", 14, 1, _name, grows=3),
    Column("id", "ID", 14, 6, _id, grows=1),
    Column("image", "IMAGE", 12, 5, _image, grows=2),
    Column("size", "SIZE", 7, 4, _size),
    Column("labels", "LABELS", 10, 3, _labels, grows=3),
    Column("age", "AGE", 5, 2, _age, right=True),
    Column("left", "LEFT", 5, 2, _left, right=True),
)

GAP = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with the width that it got."""

    column: Column
    width: int


def layout(width: int, columns: Sequence[Column] = COLUMNS) -> list[Placed]:
    """Choose the columns that fit in ``width`` cells and share out what is left."""
    chosen = sorted(columns, key=lambda column: column.keep)
    while len(chosen) > 2 and _needed(chosen) > width:
        chosen.pop()
    spare = max(0, width - _needed(chosen))
    shares = sum(column.grows for column in chosen) or 1
    return [
        Placed(column, column.width + min(spare * column.grows // shares, 40)) for column in columns if column in chosen
    ]


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def fit_cell(cell: Cell, width: int, *, right: bool) -> Cell:
    """Cut or pad the pieces of a cell to exactly ``width`` cells."""
    fitted: Cell = []
    room = width
    for piece in cell:
        wide = width_of(piece.text)
        if wide > room:
            fitted.append(Piece(fit(piece.text, room), piece.role))
            room = 0
            break
        fitted.append(piece)
        room -= wide
    if room > 0:
        blank = Piece(" " * room)
        fitted = [blank, *fitted] if right else [*fitted, blank]
    return fitted
