"""Prints objects as a table, as lines or as JSON: what ``-o``, ``--columns`` and ``--sort`` mean everywhere.

A subcommand describes what it prints once, as an :class:`ObjectKind`, adds the options with :func:`add_output`, and
hands the objects to an :class:`ObjectPrinter` as they come. On a terminal they become a table that fits it; elsewhere,
lines whose values are separated by tabs, without headings and never cut.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import wrap
from typing import IO, Any, Generic, TypeVar

from sandtui.cli.options import ALWAYS, NEVER, Options
from sandtui.cli.streams import check_output
from sandtui.cli.usage import UsageError, on_terminal
from sandtui.manual import nearest
from sandtui.printable import clean, escaped

T = TypeVar("T")

TABLE, WIDE, JSON, JSON_LINES, NAME = "table", "wide", "json", "jsonl", "name"
FORMATS = (TABLE, WIDE, JSON, JSON_LINES, NAME)

NOTHING = "-"
"""A cell without a value."""

GAP = 2

_LINES = "lines of values separated by tabs"

COLORS = {"good": "32", "busy": "33", "bad": "31", "info": "36", "dim": "2", "heading": "1"}
"""What a role looks like, in the colors of the terminal's own theme."""


@dataclass(frozen=True, slots=True)
class TextCell:
    """A text from anywhere; ``role`` is one of COLORS, or empty."""

    text: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn(Generic[T]):
    """A column. ``cell`` gets the object and the time of now.

    ``wide`` ones are shown with ``-o wide`` or by name only. Where a terminal is too narrow, columns with ``least``
    are cut down to that many cells, and then those with a larger ``keep`` go first. ``sort`` is the key of ``--sort``;
    ``descending`` is how that order starts.
    """

    id: str
    heading: str
    cell: Callable[[T, datetime], TextCell | str | None]
    wide: bool = False
    right: bool = False
    least: int | None = None
    keep: int = 0
    sort: Callable[[T], Any] | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKind(Generic[T]):
    """What a subcommand prints. ``fields`` says what each field of the JSON object of ``record`` is."""

    columns: tuple[TextColumn[T], ...]
    record: Callable[[T], Mapping[str, object]]
    name: Callable[[T], str]
    fields: Mapping[str, str]


def add_output(
    parser: argparse.ArgumentParser,
    kind: Callable[[], ObjectKind[Any]],
    *,
    sort: bool = True,
    formats: Sequence[str] = FORMATS,
    plain: str = "",
) -> None:
    """Add the options of the output. ``kind`` is called when they are used, and when the help is printed.

    ``plain`` is the format where there is no terminal, if it is not lines.
    """
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        choices=formats,
        metavar="FORMAT",
        help=f"{', '.join(formats)} (default: {formats[0]} on a terminal, else {plain or _LINES})",
    )
    if TABLE in formats:
        group.add_argument("--columns", metavar="LIST", help="the columns of the table, separated by commas")
        if sort:
            group.add_argument("--sort", metavar="COLUMN", help="sort by a column; --sort=-COLUMN reverses it")
    parser.set_defaults(plain=plain, output_kind=kind, epilog=lambda: describe(kind(), sort=sort))


def add_json_lines(parser: argparse.ArgumentParser, fields: Mapping[str, str]) -> None:
    """Add ``-o text|jsonl`` and ``--json``, for what is printed as text or as a line of JSON with these fields."""
    parser.add_argument(
        "-o",
        "--output",
        dest="json",
        type=_is_json,
        default=False,
        metavar="FORMAT",
        help="text (default), or jsonl: a line of JSON for each",
    )
    parser.add_argument("--json", action="store_true", help="the same as -o jsonl")
    kind: ObjectKind[Any] = ObjectKind(columns=(), record=dict, name=str, fields=fields)
    parser.set_defaults(completes_json=("text", JSON_LINES), epilog=lambda: describe(kind))


def _is_json(text: str) -> bool:
    if text not in {"text", JSON_LINES}:
        raise argparse.ArgumentTypeError(f'"{text}" is not one of text, {JSON_LINES}')
    return text == JSON_LINES


def describe(kind: ObjectKind[Any], *, sort: bool = True) -> str:
    """Return the part of the help that names columns and fields."""
    lines = []
    if kind.columns:
        names = ", ".join(column.id for column in kind.columns)
        lines = ["columns:", *wrap(names, 78, initial_indent="  ", subsequent_indent="  ")]
        own = [column.id for column in kind.columns if column.sort is None]
        if sort and own:
            lines += [f"  all but {', '.join(own)} sort"] if len(own) < len(kind.columns) else []
        lines.append("")
    width = max(map(len, kind.fields), default=0) + 2
    lines += ["fields of the JSON:", *(f"  {name:<{width}}{words}" for name, words in kind.fields.items())]
    return "\n".join(lines)


def colors(options: Options, stream: IO[str] | None = None) -> bool:
    """Whether a stream, by default standard output, gets colors: by ``--color``, NO_COLOR and the terminal."""
    if options.color in {ALWAYS, NEVER}:
        return options.color == ALWAYS
    stream = sys.stdout if stream is None else stream
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and not stream.closed and stream.isatty()


def paint(text: str, role: str, *, color: bool) -> str:
    """Return a text in the color of a role; empty roles and texts stay as they are."""
    return f"\x1b[{COLORS[role]}m{text}\x1b[0m" if color and role and text.strip() else text


def as_json(value: object, indent: int | None = None) -> str:
    """Return JSON that is safe to show on a terminal and valid in any encoding."""
    # Standard output escapes what its encoding lacks in Python's way, which is not JSON's.
    readable = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    return escaped(json.dumps(value, indent=indent, ensure_ascii=not readable, default=_plain))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class ObjectPrinter(Generic[T]):
    """Prints objects as they come, as the arguments say; ``end`` after the last one.

    A table gets its widths from the first call of ``add``. With ``single``, JSON is the object itself, not a list.

    Raises:
        UsageError: no such column, options that exclude each other, or there is no standard output.
    """

    def __init__(
        self, kind: ObjectKind[T], arguments: argparse.Namespace, *, single: bool = False, headings: bool = True
    ) -> None:
        check_output()
        self._kind = kind
        self._single = single
        self._format: str = arguments.output or (TABLE if on_terminal("stdout") else arguments.plain)
        self._color = colors(arguments.options)
        self._narrow = on_terminal("stdout") and self._format == TABLE
        self._headings = headings
        wanted: str | None = getattr(arguments, "columns", None)
        if wanted is not None and self._format not in {TABLE, WIDE, ""}:
            raise UsageError(f"--columns is for tables; -o {self._format} has all fields")
        self._columns = self._chosen(wanted)
        self._narrow = self._narrow and wanted is None
        sort: str | None = getattr(arguments, "sort", None)
        self._order = None if sort is None else self._by(sort)
        self._waiting: list[T] = []
        self._layout: list[tuple[TextColumn[T], int]] | None = None
        self._count = 0

    @property
    def is_jsonl(self) -> bool:
        """Whether each object is a line of JSON."""
        return self._format == JSON_LINES

    @property
    def count(self) -> int:
        """The number of objects so far."""
        return self._count + len(self._waiting)

    @property
    def wants(self) -> frozenset[str]:
        """The ids of the columns that are shown or sorted by; none for JSON and names."""
        shown = {column.id for column in self._columns} if self._format in {TABLE, WIDE, ""} else set()
        return frozenset(shown | ({self._order[0].id} if self._order else set()))

    def add(self, objects: Sequence[T]) -> None:
        """Print objects; with an order they wait for the end."""
        if self._order is not None:
            self._waiting += objects
        elif objects:
            self._print(objects)

    def end(self) -> None:
        """Print what has waited, and finish the output."""
        if self._order is not None and self._waiting:
            column, reverse = self._order
            assert column.sort is not None
            waiting, self._waiting = self._waiting, []
            self._print(sorted(waiting, key=column.sort, reverse=reverse))
        if self._format == JSON and not self._single:
            print("\n]" if self._count else "[]")
        sys.stdout.flush()

    def _print(self, objects: Sequence[T]) -> None:
        if self._format == JSON:
            lines = self._json(objects)
        elif self._format == JSON_LINES:
            lines = "".join(f"{as_json(self._kind.record(each))}\n" for each in objects)
        elif self._format == NAME:
            lines = "".join(f"{clean(self._kind.name(each))}\n" for each in objects)
        else:
            lines = self._rows(objects)
        self._count += len(objects)
        sys.stdout.write(lines)
        # Who reads along, or pipes into another program, has each part as soon as it is known.
        sys.stdout.flush()

    def _json(self, objects: Sequence[T]) -> str:
        if self._single:
            return "".join(f"{as_json(self._kind.record(each), 2)}\n" for each in objects)
        found = (as_json(self._kind.record(each), 2).replace("\n", "\n  ") for each in objects)
        return f"{',' if self._count else '['}\n  " + ",\n  ".join(found)

    def _rows(self, objects: Sequence[T]) -> str:
        now = datetime.now(UTC)
        columns = self._columns
        rows = [[_cell(column.cell(each, now)) for column in columns] for each in objects]
        if self._format == "":
            return "".join("\t".join(cell.text for cell in row) + "\n" for row in rows)
        if self._layout is None:
            return self._table_head(rows) + self._table(rows)
        return self._table(rows)

    def _table_head(self, rows: Sequence[Sequence[TextCell]]) -> str:
        widths = [
            max([width_of(column.heading), *(width_of(row[place].text) for row in rows)])
            for place, column in enumerate(self._columns)
        ]
        self._layout = _fitted(self._columns, widths) if self._narrow else list(zip(self._columns, widths, strict=True))
        if not self._headings:
            return ""
        return self._line([TextCell(column.heading, "heading") for column in self._columns])

    def _table(self, rows: Iterable[Sequence[TextCell]]) -> str:
        return "".join(map(self._line, rows))

    def _line(self, row: Sequence[TextCell]) -> str:
        assert self._layout is not None
        by_column = dict(zip((column.id for column in self._columns), row, strict=True))
        parts = []
        for place, (column, width) in enumerate(self._layout):
            cell = by_column[column.id]
            text = fit(cell.text, width) if self._narrow and column.least is not None else cell.text
            blank = " " * (width - width_of(text))
            last = place == len(self._layout) - 1
            shown = paint(text, cell.role, color=self._color)
            parts.append(f"{blank}{shown}" if column.right else shown if last else f"{shown}{blank}")
        return (" " * GAP).join(parts).rstrip(" ") + "\n"

    def _chosen(self, wanted: str | None) -> list[TextColumn[T]]:
        if wanted is None:
            return [column for column in self._kind.columns if self._format == WIDE or not column.wide]
        names = [name.strip().lower() for name in wanted.split(",")]
        return [self._column(name, "--columns") for name in names if name] or self._chosen(None)

    def _column(self, name: str, option: str) -> TextColumn[T]:
        columns = {column.id: column for column in self._kind.columns}
        if name not in columns:
            raise UsageError(f'{option}: no column "{name}"; {one_of(name, tuple(columns))}')
        return columns[name]

    def _by(self, text: str) -> tuple[TextColumn[T], bool]:
        name = text.strip().lower().removeprefix("-")
        column = self._column(name, "--sort")
        if column.sort is None:
            able = tuple(each.id for each in self._kind.columns if each.sort is not None)
            raise UsageError(f"--sort: {name} has no order; use one of {', '.join(able)}")
        return column, column.descending != text.strip().startswith("-")


def one_of(word: str, names: Sequence[str]) -> str:
    """Return a suggestion: the name that a word was probably meant to be, or all of them."""
    close = nearest(word, tuple(names))
    return f'did you mean "{close}"? ({", ".join(names)})' if close else f"use one of {', '.join(names)}"


def width_of(text: str) -> int:
    """Return the number of cells of a text that is safe to draw."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(0, wcswidth(text))


def fit(text: str, width: int) -> str:
    """Return a text of at most ``width`` cells; a cut one ends in an ellipsis."""
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _cell(value: TextCell | str | None) -> TextCell:
    cell = value if isinstance(value, TextCell) else TextCell(value or "")
    return TextCell(clean(cell.text), cell.role) if cell.text else TextCell(NOTHING, "dim")


def _fitted(columns: Sequence[TextColumn[T]], widths: Sequence[int]) -> list[tuple[TextColumn[T], int]]:
    """Return the columns that fit the terminal, with their widths."""
    room = shutil.get_terminal_size().columns
    chosen = list(zip(columns, widths, strict=True))
    while True:
        excess = sum(width for _, width in chosen) + GAP * (len(chosen) - 1) - room
        spare = [max(0, width - column.least) if column.least is not None else 0 for column, width in chosen]
        if excess <= sum(spare) or len(chosen) == 1:
            break
        chosen.remove(max(chosen, key=lambda each: each[0].keep))
    taken = _shares(max(0, min(excess, sum(spare))), spare)
    return [(column, width - less) for (column, width), less in zip(chosen, taken, strict=True)]


def _shares(excess: int, spare: Sequence[int]) -> list[int]:
    """Divide what is too much, in proportion to what each column can spare."""
    total = sum(spare)
    if not total:
        return [0] * len(spare)
    taken = [excess * each // total for each in spare]
    rest = excess - sum(taken)
    for place, each in enumerate(spare):
        if rest and taken[place] < each:
            more = min(rest, each - taken[place])
            taken[place] += more
            rest -= more
    return taken
