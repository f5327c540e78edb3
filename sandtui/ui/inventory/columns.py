"""The columns of the list of sandboxes: what each shows, and how they share the width of the window.

A measured column is as wide as its content in view. Where that is too wide for all of them, first the word of a status
gives way to its glyph, then long texts are cut, the longest first, and at last whole columns go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from sandtui.client.models import SandboxStatus
from sandtui.fleet.fields import COLUMNS as ENTRIES
from sandtui.fleet.fields import ColumnEntry
from sandtui.fleet.inventory.cost import cost_text
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import share
from sandtui.fleet.text.sanitize import clean
from sandtui.leases import without_lease
from sandtui.ui.rendering.status import glyph, status_style
from sandtui.ui.rendering.text import Piece, Role, fit, fit_middle, outside, width_of
from sandtui.ui.rendering.units import NONE, age, number, time_left

Cell = list[Piece]

MIN_WIDTH = 4
MOST_NEEDED = 64
"""Cells that no content makes a column exceed."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; its id is that of the order that it sorts by.

    Its widths are explained at ``ColumnEntry``. ``fit`` replaces the usual cutting, and ``needed`` returns the
    width of a cell in full where its pieces alone do not tell it.
    """

    id: str
    title: str
    width: int
    keep: int
    cell: Callable[[Row, datetime], Cell]
    right: bool = False
    measured: bool = False
    cut: Literal["", "middle", "end"] = ""
    narrow: int = 0
    spare: bool = False
    timed: bool = False
    fit: Callable[[Cell, int], Cell] | None = None
    needed: Callable[[Cell], int] | None = None

    def need(self, row: Row, now: datetime) -> int:
        """Return the width of the cell of a row in full; 0 if it says nothing."""
        cell = self.cell(row, now)
        if self.needed is not None:
            return self.needed(cell)
        if len(cell) == 1 and cell[0].text == NONE:
            return 0
        return sum(width_of(piece.text) for piece in cell)


def _status(row: Row, _: datetime) -> Cell:
    style = status_style(row.shown_status)
    return [glyph(row.shown_status), Piece(" "), Piece(style.word, style.role)]


def _name(row: Row, _: datetime) -> Cell:
    return [Piece(clean(row.sandbox.name), "dim" if _is_quiet(row) or row.missing else "text")]


def _is_quiet(row: Row) -> bool:
    """Return whether it has ended as it should: nobody looks for it."""
    return row.sandbox.is_finished and row.status != SandboxStatus.ERROR


def _id(row: Row, _: datetime) -> Cell:
    return [Piece(clean(row.id), "dim")]


def _image(row: Row, _: datetime) -> Cell:
    return [Piece(clean(row.sandbox.docker_image), "dim" if _is_quiet(row) else "text")]


def _size(row: Row, _: datetime) -> Cell:
    sandbox = row.sandbox
    text = f"{number(sandbox.cpu_cores)}c/{number(sandbox.memory_gb)}G"
    if sandbox.gpu_count:
        text += f"+{sandbox.gpu_count}gpu"
    return [Piece(text, "dim" if _is_quiet(row) else "text")]


def _labels(row: Row, _: datetime) -> Cell:
    # The mark of a lease is for programs; the column of the owner shows it for people.
    shown = row.sandbox.labels if row.lease is None else without_lease(row.sandbox.labels)
    return [Piece(clean(label), "dim" if _is_quiet(row) else "info") for label in shown]


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
                return [Piece(fit_middle(piece.text, width - len(more)), piece.role), Piece(more, "dim")]
            fitted.append(Piece(f" +{left + 1}", "dim"))
            room -= width_of(fitted[-1].text)
            break
        if gap:
            fitted.append(Piece(" "))
        fitted.append(piece)
        room -= gap + width_of(piece.text)
    return [*fitted, Piece(" " * max(0, room))]


def _needed_labels(cell: Cell) -> int:
    return sum(width_of(piece.text) + 1 for piece in cell) - 1 if cell else 0


def _fit_status(cell: Cell, width: int) -> Cell:
    """Draw the glyph alone where there is no room for the word."""
    return fit_cell(cell[:1] if width < MIN_WIDTH else cell, width, right=False)


def _age(row: Row, now: datetime) -> Cell:
    return [age(row.sandbox.created_at, now)]


def _left(row: Row, now: datetime) -> Cell:
    return [time_left(row.sandbox.expires_at, now)]


def _ended(row: Row, now: datetime) -> Cell:
    moment = datetime.fromtimestamp(row.ended, UTC) if row.ended else None
    return [age(moment, now)]


def _optional(value: Callable[[Row], str | None], role: Role = "text") -> Callable[[Row, datetime], Cell]:
    def cell(row: Row, _: datetime) -> Cell:
        text = value(row)
        return [outside(text, role) if text else Piece(NONE, "dim")]

    return cell


def _reason(row: Row, _: datetime) -> Cell:
    if not row.reason:
        return [Piece(NONE, "dim")]
    return [Piece(clean(row.reason), "dim" if _is_quiet(row) else "text")]


def _share(value: Callable[[Row], float | None]) -> Callable[[Row, datetime], Cell]:
    def cell(row: Row, _: datetime) -> Cell:
        found = value(row)
        return [Piece(NONE, "dim") if found is None else Piece(share(found), "dim" if _is_quiet(row) else "text")]

    return cell


def _cost(row: Row, now: datetime) -> Cell:
    text = cost_text(row, now.timestamp())
    return [Piece(NONE, "dim") if text is None else Piece(text, "dim" if _is_quiet(row) else "text")]


_CELLS: Mapping[str, Callable[[Row, datetime], Cell]] = {
    "status": _status,
    "name": _name,
    "id": _id,
    "image": _image,
    "size": _size,
    "labels": _labels,
    "age": _age,
    "left": _left,
    "ended": _ended,
    "reason": _reason,
    "cost": _cost,
    "used": _share(lambda row: row.used),
    "memused": _share(lambda row: row.memory_used),
}
"""How to draw the columns that are not plain text."""

_FITS: Mapping[str, Callable[[Cell, int], Cell]] = {"labels": _fit_labels, "status": _fit_status}
_NEEDED: Mapping[str, Callable[[Cell], int]] = {"labels": _needed_labels}


def _column(entry: ColumnEntry) -> Column:
    return Column(
        entry.id,
        entry.heading,
        entry.width,
        entry.keep,
        _CELLS[entry.id] if entry.text is None else _optional(entry.text),
        right=entry.right,
        measured=entry.measured,
        cut=entry.cut,
        narrow=entry.narrow,
        spare=entry.spare,
        timed=entry.timed,
        fit=_FITS.get(entry.id),
        needed=_NEEDED.get(entry.id),
    )


COLUMNS: tuple[Column, ...] = tuple(_column(entry) for entry in ENTRIES)

COLUMNS_BY_ID = {column.id: column for column in COLUMNS}
SHOWN_FIRST = tuple(entry.id for entry in ENTRIES if entry.shown)
"""The columns shown by default."""

OF_ERRORS = (replace(COLUMNS_BY_ID["reason"], keep=1, width=34), replace(COLUMNS_BY_ID["ended"], keep=1))
"""The columns that appear by themselves where errors are listed."""

LESS_OF_ERRORS = {"age": 98, "left": 99}
"""What gives way to them first, with its new ``keep``: the time of the end says more, and when it will be, nothing."""

MEASURED = tuple(column for column in COLUMNS if column.measured)

FROZEN = 2
"""Number of columns that stay in place while the others scroll sideways."""

GAP, WIDEST_GAP = 1, 3
"""Cells between two columns: at least, and where nothing else needs the room."""

Needs = Mapping[str, int]
"""The widths of the content of measured columns, by column id."""


class Placed(NamedTuple):
    """A column with its start and width in cells."""

    column: Column
    start: int
    width: int


def choose(ids: Sequence[str], widths: Mapping[str, int], *, errors: bool = False) -> list[Column]:
    """Return the columns with these ids and the user's widths; unknown ids are left out.

    Without ids these are the ones that come with it: among them spare ones, which need not fit. A list of ``errors``
    also has why and how long ago each ended, right behind its name.
    """
    chosen = [replace(COLUMNS_BY_ID[each], spare=False) for each in ids if each in COLUMNS_BY_ID]
    chosen = chosen or [column for column in COLUMNS if column.id in SHOWN_FIRST or column.spare]
    if errors:
        known = {column.id for column in chosen}
        behind = next((place for place, column in enumerate(chosen, 1) if column.id == "name"), len(chosen))
        chosen[behind:behind] = [column for column in OF_ERRORS if column.id not in known]
        chosen = [replace(column, keep=LESS_OF_ERRORS.get(column.id, column.keep)) for column in chosen]
    return [
        replace(column, width=max(MIN_WIDTH, widths[column.id]), measured=False, cut="", narrow=0)
        if column.id in widths
        else column
        for column in chosen
    ]


def layout(width: int, columns: Sequence[Column], needs: Needs, turn: int = 0) -> list[Placed]:
    """Choose the columns that fit in ``width`` cells, and share the cells out.

    ``turn`` scrolls sideways: with 1 the first columns are shown in their order, with 2 one column after the frozen
    ones is skipped, and so on.
    """
    steady = [column for column in columns if not column.spare]
    fitting = _by_turn(width, columns, needs, turn - 1) if turn else _by_need(width, steady, needs)
    widths = _share_out(width, fitting, needs)
    if not turn and len(fitting) == len(steady):
        fitting = _with_spare(width, columns, widths, needs)
    gaps = max(1, len(fitting) - 1)
    gap = min(WIDEST_GAP, GAP + max(0, width - _total(widths[column.id] for column in fitting)) // gaps)
    placed: list[Placed] = []
    start = 0
    for column in fitting:
        placed.append(Placed(column, start, widths[column.id]))
        start += widths[column.id] + gap
    return placed


def _full(column: Column, needs: Needs) -> int:
    """Return the width in which a column says all that it has to say."""
    return column.width if not column.measured else max(needs.get(column.id, 0), width_of(column.title) + 1)


def _least(column: Column, needs: Needs) -> int:
    """Return the width below which another column goes instead."""
    full = _full(column, needs)
    return column.narrow or (min(column.width, full) if column.cut else full)


def _share_out(width: int, columns: Sequence[Column], needs: Needs) -> dict[str, int]:
    """Return the width of each column: what is cut gets the spare cells, the narrowest first, then short forms."""
    widths = {column.id: _least(column, needs) for column in columns}
    spare = width - _total(widths.values())
    short = [column for column in columns if not column.narrow and widths[column.id] < _full(column, needs)]
    while spare > 0 and short:
        narrowest = min(short, key=lambda column: widths[column.id])
        widths[narrowest.id] += 1
        spare -= 1
        if widths[narrowest.id] >= _full(narrowest, needs):
            short.remove(narrowest)
    for column in columns:
        more = _full(column, needs) - widths[column.id]
        if column.narrow and more <= spare:
            widths[column.id] += more
            spare -= more
    return widths


def _with_spare(width: int, columns: Sequence[Column], widths: dict[str, int], needs: Needs) -> list[Column]:
    """Add the spare columns that have something to say, if they and all others are in full; note their widths."""
    steady = [column for column in columns if not column.spare]
    if any(widths[column.id] < _full(column, needs) for column in steady):
        return steady
    for column in sorted(columns, key=lambda column: column.keep):
        full = _full(column, needs)
        if column.spare and needs.get(column.id) and _total([*widths.values(), full]) <= width:
            widths[column.id] = full
    return [column for column in columns if column.id in widths]


def _by_need(width: int, columns: Sequence[Column], needs: Needs) -> list[Column]:
    chosen = sorted(columns, key=lambda column: column.keep)
    while len(chosen) > 1 and _total(_least(column, needs) for column in chosen) > width:
        chosen.pop()
    return [column for column in columns if column in chosen]


def _by_turn(width: int, columns: Sequence[Column], needs: Needs, skip: int) -> list[Column]:
    fitting = list(columns[:FROZEN])
    for column in columns[FROZEN + skip :]:
        if _total(_least(each, needs) for each in [*fitting, column]) > width:
            break
        fitting.append(column)
    return fitting


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + GAP * (len(found) - 1)


def fit_cell(cell: Cell, width: int, *, right: bool, middle: bool = False) -> Cell:
    """Cut or pad the pieces of a cell to exactly ``width`` cells; ``middle`` keeps both ends of a single piece."""
    if middle and len(cell) == 1:
        return [replace(cell[0], text=fit_middle(cell[0].text, width))]
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
