"""Chooses which columns the list of sandboxes shows, in which order and how wide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.inventory.columns import COLUMNS, COLUMNS_BY_ID, MIN_WIDTH, SHOWN_FIRST
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.widgets.option_menu import OptionMenu

STEP = 2
ColumnLayout = tuple[list[str], dict[str, int]]
"""The ids of the shown columns in order, and the widths that the user set."""


class ColumnsDialog(Dialog[ColumnLayout]):
    """Returns the new layout, or None on Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "show_or_hide", "show", show=False),
        Binding("J", "shift(1)", "down", show=False),
        Binding("K", "shift(-1)", "up", show=False),
        Binding("plus", "widen(1)", "wider", show=False),
        Binding("minus", "widen(-1)", "narrower", show=False),
        Binding("0", "reset", "reset", show=False),
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
        Binding("escape,q", "close", "close", show=False),
    ]

    def __init__(self, shown: Sequence[str], widths: Mapping[str, int]) -> None:
        super().__init__()
        first = [column_id for column_id in shown if column_id in COLUMNS_BY_ID] or list(SHOWN_FIRST)
        self._order = [*first, *(column.id for column in COLUMNS if column.id not in first)]
        self._shown = set(first)
        self._widths = dict(widths)

    def compose(self) -> Iterable[Widget]:
        with DialogBox("Columns", steady=True):
            yield OptionMenu(*self._options(), id="choices", classes=BODY, compact=True)
            hint = "space toggle · J/K move · +/- width · 0 reset · enter ok · esc cancel"
            yield Static(content(Piece(hint, "dim")), id="choices-keys")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(([column_id for column_id in self._order if column_id in self._shown], self._widths))

    def action_show_or_hide(self) -> None:
        column_id = self._current()
        if self._shown != {column_id}:
            self._shown ^= {column_id}
            self._draw()

    def action_shift(self, step: int) -> None:
        index = self._index()
        to = index + step
        if 0 <= to < len(self._order):
            self._order.insert(to, self._order.pop(index))
            self._draw(to)

    def action_widen(self, step: int) -> None:
        column_id = self._current()
        width = self._widths.get(column_id, COLUMNS_BY_ID[column_id].width)
        self._widths[column_id] = max(MIN_WIDTH, width + step * STEP)
        self._draw()

    def action_reset(self) -> None:
        self._order = [column.id for column in COLUMNS]
        self._shown = set(SHOWN_FIRST)
        self._widths = {}
        self._draw(0)

    def action_cursor(self, step: int) -> None:
        choices = self.query_one(OptionList)
        choices.highlighted = max(0, min(self._index() + step, len(self._order) - 1))

    def action_close(self) -> None:
        self.dismiss(None)

    def _index(self) -> int:
        return self.query_one(OptionList).highlighted or 0

    def _current(self) -> str:
        return self._order[self._index()]

    def _draw(self, index: int | None = None) -> None:
        choices = self.query_one(OptionList)
        at = self._index() if index is None else index
        choices.clear_options()
        choices.add_options(self._options())
        choices.highlighted = at

    def _options(self) -> list[Option]:
        return [Option(self._line(column_id), id=column_id) for column_id in self._order]

    def _line(self, column_id: str) -> Content:
        column = COLUMNS_BY_ID[column_id]
        shown = column_id in self._shown
        width = self._widths.get(column_id)
        text = f"width {width}" if width is not None else "fits its content" if column.measured else ""
        return content(
            Piece("✓ " if shown else "  ", "key"),
            Piece(f"{column.title:<12}", "text" if shown else "dim"),
            Piece(text, "dim"),
        )
