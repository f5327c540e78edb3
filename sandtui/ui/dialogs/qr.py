"""An address as a QR code, for the camera of a telephone."""

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
    """Shows the code of an address until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,Q,enter", "close", "close", show=False)]

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._code = qr_code(address)

    def compose(self) -> Iterable[Widget]:
        """Code and address."""
        with Vertical(id="qr"):
            yield Static(lines(self._code))
            yield Static(content(outside(self._address)), id="qr-address")
            yield Static(content(Piece("esc closes", "dim")))

    def on_mount(self) -> None:
        """Take the code's own width."""
        self.query_one("#qr").styles.width = max(len(row.plain) for row in self._code)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
