"""The dialog with the full text of an activity entry and its API requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Request, curl_line
from sandtui.ui.activity.requests import behind, request_details, request_pieces
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.rendering.text import Piece, content
from sandtui.ui.services.clipboard import Clipboard
from sandtui.ui.widgets.row_list import RowList


class RequestsDialog(Dialog[None]):
    """Shows one entry; ``requests`` are the stored ones, in order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "close", show=False),
        Binding("y", "copy_entry", "copy entry", show=False),
        Binding("Y", "copy_curl", "copy curl", show=False),
    ]

    def __init__(self, entry: ActivityEntry, requests: Sequence[Request], now: datetime, clipboard: Clipboard) -> None:
        super().__init__()
        self._entry = entry
        self._requests = requests
        self._now = now
        self._clipboard = clipboard

    def compose(self) -> Iterable[Widget]:
        with DialogBox("Request details", wide=True):
            with VerticalScroll(id="request-entry"):
                yield Static(behind(self._entry, self._requests))
            if self._requests:
                rows = RowList(self._line, id="request-list")
                rows.add_class(BODY)
                yield rows
                with VerticalScroll(id="request-details"):
                    yield Static(id="request-text")
            keys = "Y copy as curl · " if self._requests else ""
            yield Static(content(Piece(f"{keys}y copy entry · esc close", "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        if self._requests:
            rows = self.query_one(RowList)
            rows.show_rows(range(len(self._requests)))
            rows.go_to(next((index for index, each in enumerate(self._requests) if each.failed), 0))
            rows.focus()
            self._show_details()

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        message.stop()
        self._show_details()

    def action_copy_entry(self) -> None:
        self._clipboard.copy(self._entry.text)

    def action_copy_curl(self) -> None:
        if self._requests:
            self._clipboard.copy_text(curl_line(self._chosen))

    def action_close(self) -> None:
        self.dismiss()

    @property
    def _chosen(self) -> Request:
        return self._requests[self.query_one(RowList).cursor]

    def _show_details(self) -> None:
        self.query_one("#request-text", Static).update(request_details(self._chosen, self._now))

    def _line(self, number: int) -> list[Piece]:
        if number >= len(self._requests):
            return []
        return request_pieces(self._requests[number], self.query_one(RowList).size.width)
