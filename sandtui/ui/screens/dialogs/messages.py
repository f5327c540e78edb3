"""What was said in this session, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.sanitize import clean
from sandtui.ui.render.text import Content, Piece, Role, content, lines

if TYPE_CHECKING:
    from sandtui.ui.app import Said
    from sandtui.ui.screens.base import Severity

ROLES: dict[Severity, Role] = {"information": "text", "warning": "busy", "error": "bad"}


class MessagesDialog(ModalScreen[None]):
    """The list of messages."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,t", "close", "close", show=False)]

    def __init__(self, said: Sequence[Said]) -> None:
        super().__init__()
        self._said = said

    def compose(self) -> Iterable[Widget]:
        """A scrolled list."""
        with Vertical(id="dialog", classes="help") as dialog:
            dialog.border_title = Content(f"Messages {len(self._said)}")
            with VerticalScroll(id="dialog-list"):
                yield Static(self._text())
            yield Static(content(Piece("esc closes", "dim")), id="dialog-keys")

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def _text(self) -> Content:
        if not self._said:
            return content(Piece("Nothing has been said yet.", "dim"))
        return lines(
            [
                content(
                    Piece(said.moment.astimezone().strftime("%H:%M:%S  "), "dim"),
                    Piece(clean(said.text), ROLES[said.severity]),
                )
                for said in reversed(self._said)
            ]
        )
