"""The dialog to expose a port: number (typed or picked from the listening ports), protocol and name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from sandtui.fleet.ports.exposures import parse_exposure
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.text import Piece, content
from sandtui.ui.widgets.check import Check
from sandtui.ui.widgets.option_menu import OptionMenu

Exposure = tuple[int, str, str | None]


class ExposeDialog(Dialog[Exposure]):
    """Returns port, protocol and name, or None. ``where`` names the sandboxes; it may come from outside."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        # An Input does not use this key, and the list binds it itself.
        Binding("down", "pick", "pick a port", show=False),
    ]
    AUTO_FOCUS = "#expose-port"

    def __init__(self, where: str, *, listening: bool) -> None:
        super().__init__()
        self._where, self._asks = where, listening
        self._ready = False
        self._early: tuple[Sequence[int] | None] | None = None

    def compose(self) -> Iterable[Widget]:
        with DialogBox(f"Expose port of {self._where}", classes="command form"):
            yield Static(content(Piece("Port (22–9000)", "dim")))
            yield Input(placeholder="8000", compact=True, id="expose-port")
            if self._asks:
                yield Static(content(Piece("checking listening ports …", "waiting")), id="listening-title")
                yield OptionMenu(id="listening", compact=True)
            yield Static(content(Piece("Name (optional)", "dim")))
            yield Input(placeholder="web", compact=True, id="expose-name")
            yield Check("plain TCP instead of HTTP", compact=True, id="expose-tcp")
            yield Static(
                content(Piece("Public: anyone with the URL can connect · enter expose · esc cancel", "dim")),
                id="dialog-keys",
            )

    def on_mount(self) -> None:
        self._ready = True
        if self._asks:
            self.query_one("#listening").display = False
        if self._early is not None:
            self.offer(*self._early)

    def offer(self, ports: Sequence[int] | None) -> None:
        """Show the listening ports; None when they are not available."""
        if not self._asks or (self._ready and not self.is_attached):
            return
        if not self._ready:
            self._early = (ports,)
            return
        text = self.query_one("#listening-title", Static)
        if not ports:
            found = "no listening ports" if ports is not None else "listening ports not available"
            text.update(content(Piece(found, "dim")))
            return
        text.update(content(Piece("Listening in the sandbox (↓ or tab to pick)", "dim")))
        choices = self.query_one("#listening", OptionList)
        choices.add_options([Option(content(Piece(f"{port}")), id=str(port)) for port in ports])
        choices.highlighted = 0
        choices.display = True

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.query_one("#expose-port", Input).value = event.option.id or ""
        self.query_one("#expose-name", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        port = self.query_one("#expose-port", Input).value.strip()
        name = self.query_one("#expose-name", Input).value.strip()
        protocol = "tcp" if self.query_one("#expose-tcp", Check).value else "http"
        try:
            answer = parse_exposure(f"{port or '?'} {protocol} {name}".strip())
        except ValueError as problem:
            self.query_one("#dialog-keys", Static).update(content(Piece(clean(str(problem)), "bad")))
        else:
            self.dismiss(answer)

    def action_pick(self) -> None:
        if self._asks and self.query_one("#listening").display:
            self.query_one("#listening").focus()

    def action_close(self) -> None:
        self.dismiss(None)
