"""A URL as a QR code, to open it on a phone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.qr import qr_code
from sandtui.ui.rendering.text import Piece, content, lines, outside


class QrDialog(Dialog[None]):
    """Shows the QR code of a URL."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,Q,enter", "close", "close", show=False)]

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._code = qr_code(url)

    def compose(self) -> Iterable[Widget]:
        with Vertical(id="qr"):
            yield Static(lines(self._code))
            yield Static(content(outside(self._url)), id="qr-url")
            yield Static(content(Piece("esc close", "dim")))

    def on_mount(self) -> None:
        self.query_one("#qr").styles.width = max(len(row.plain) for row in self._code)

    def action_close(self) -> None:
        self.dismiss(None)
