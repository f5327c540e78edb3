"""The columns of the list of sandboxes: what each shows, and which are dropped first in a narrow window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sandtui.fleet.fields import COLUMNS as ENTRIES
from sandtui.fleet.fields import ColumnEntry
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import share
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.status import glyph, status_style
from sandtui.ui.rendering.text import Piece, Role, fit, outside, width_of
from sandtui.ui.rendering.units import NONE, age, number, time_left

Cell = list[Piece]

MIN_WIDTH = 4
MAX_GROWTH = 40


@dataclass(frozen=True, slots=True)
class Column:
    """A column; its id is that of the order that it sorts by.

    ``width`` is in cells; ``grows`` is its share of spare cells. In a narrow window columns with a larger ``keep`` are
    dropped first. ``timed`` cells change with time although the row does not. ``fit`` replaces the usual cutting.
    """

    id: str
    title: str
    width: int
    keep: int
    cell: Callable[[Row, datetime], Cell]
    right: bool = False
    grows: int = 0
    timed: bool = False
    fit: Callable[[Cell, int], Cell] | None = None


def _status(row: Row, _: datetime) -> Cell:
    style = status_style(row.status)
    return [glyph(row.status), Piece(" "), Piece(style.word, style.role)]


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
    return [Piece(clean(label), "dim" if row.sandbox.is_finished else "info") for label in row.sandbox.labels]


def _fit_labels(cell: Cell, width: int) -> Cell:
    """Keep as many whole labels as fit, and add the number of the others."""
    fitted: Cell = []
    room = width
    for index, piece in enumerate(cell):
        left = len(cell) - index - 1
        more = f" +{left}" if left else ""
        gap = 1 if fitted else 0
        if gap + width_of(piece.text) + len(more) > room:
            if not fitted:
                return [Piece(fit(piece.text, width - len(more)), piece.role), Piece(more, "dim")]
            fitted.append(Piece(f" +{left + 1}", "dim"))
            room -= width_of(fitted[-1].text)
            break
        if gap:
            fitted.append(Piece(" "))
        fitted.append(piece)
        room -= gap + width_of(piece.text)
    return [*fitted, Piece(" " * max(0, room))]


def _age(row: Row, now: datetime) -> Cell:
    return [age(row.sandbox.created_at, now)]


def _left(row: Row, now: datetime) -> Cell:
    return [time_left(row.sandbox.expires_at, now)]


def _optional(value: Callable[[Row], str | None], role: Role = "text") -> Callable[[Row, datetime], Cell]:
    def cell(row: Row, _: datetime) -> Cell:
        text = value(row)
        return [outside(text, role) if text else Piece(NONE, "dim")]

    return cell


def _share(value: Callable[[Row], float | None]) -> Callable[[Row, datetime], Cell]:
    def cell(row: Row, _: datetime) -> Cell:
        found = value(row)
        return [
            Piece(NONE, "dim") if found is None else Piece(share(found), "dim" if row.sandbox.is_finished else "text")
        ]

    return cell


_CELLS: Mapping[str, Callable[[Row, datetime], Cell]] = {
    "status": _status,
    "name": _name,
    "id": _id,
    "image": _image,
    "size": _size,
    "labels": _labels,
    "age": _age,
    "left": _left,
    "reason": _optional(lambda row: row.reason, "busy"),
    "used": _share(lambda row: row.used),
    "memused": _share(lambda row: row.memory_used),
}
"""How to draw the columns that are not plain text."""

_FITS: Mapping[str, Callable[[Cell, int], Cell]] = {"labels": _fit_labels}


def _column(entry: ColumnEntry) -> Column:
    return Column(
        entry.id,
        entry.heading,
        entry.width,
        entry.keep,
        _CELLS[entry.id] if entry.text is None else _optional(entry.text),
        right=entry.right,
        grows=entry.grows,
        timed=entry.timed,
        fit=_FITS.get(entry.id),
    )


COLUMNS: tuple[Column, ...] = tuple(_column(entry) for entry in ENTRIES)

COLUMNS_BY_ID = {column.id: column for column in COLUMNS}
SHOWN_FIRST = tuple(entry.id for entry in ENTRIES if entry.shown)
"""The columns shown by default."""

FROZEN = 2
"""Number of columns that stay in place while the others scroll sideways."""

GAP = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with its start and width in cells."""

    column: Column
    start: int
    width: int


def choose(ids: Sequence[str], widths: Mapping[str, int]) -> list[Column]:
    """Return the columns with these ids and the user's widths; unknown ids are left out."""
    chosen = [COLUMNS_BY_ID[column_id] for column_id in ids if column_id in COLUMNS_BY_ID]
    return [
        replace(column, width=max(MIN_WIDTH, widths[column.id]), grows=0) if column.id in widths else column
        for column in chosen or [COLUMNS_BY_ID[column_id] for column_id in SHOWN_FIRST]
    ]


def layout(width: int, columns: Sequence[Column], turn: int = 0) -> list[Placed]:
    """Choose the columns that fit in ``width`` cells and share out the spare cells.

    ``turn`` scrolls sideways: with 1 the first columns are shown in their order, with 2 one column after the frozen
    ones is skipped, and so on.
    """
    fitting = _by_turn(width, columns, turn - 1) if turn else _by_need(width, columns)
    spare = max(0, width - _needed(fitting))
    shares = sum(column.grows for column in fitting) or 1
    placed: list[Placed] = []
    start = 0
    for column in fitting:
        wide = column.width + min(spare * column.grows // shares, MAX_GROWTH)
        placed.append(Placed(column, start, wide))
        start += wide + GAP
    return placed


def _by_need(width: int, columns: Sequence[Column]) -> list[Column]:
    chosen = sorted(columns, key=lambda column: column.keep)
    while len(chosen) > 1 and _needed(chosen) > width:
        chosen.pop()
    return [column for column in columns if column in chosen]


def _by_turn(width: int, columns: Sequence[Column], skip: int) -> list[Column]:
    fitting = list(columns[:FROZEN])
    for column in columns[FROZEN + skip :]:
        if _needed([*fitting, column]) > width:
            break
        fitting.append(column)
    return fitting


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
