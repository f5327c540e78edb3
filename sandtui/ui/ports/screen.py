"""The ports screen: exposed ports of the fleet, and SSH forwards."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.inventory.bulk_plan import EXPOSE
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.ports.exposures import PortBoard, PortRow, copy_forms, own_page, page_of
from sandtui.fleet.ports.forward import Direction, Forward
from sandtui.fleet.ports.forwards import ForwardBoard
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.ports import forwards as forward_lines
from sandtui.ui.ports.exposures import Widths, counts, head, line
from sandtui.ui.ports.flow import PortsFlow
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.row_actions import RowActions
from sandtui.ui.widgets.row_list import RowList

WHAT = "exposed ports"

NEEDS_PORT = frozenset(
    {"unexpose", "copy", "copy_more", "qr", "browse", "open_sandbox", "shell", "logs", "files", "exec", "fork"}
)

PROBE_SECONDS = 30.0
"""Interval between health checks while the screen is open."""


class PortsScreen(AppScreen):
    """Lists exposures and forwards. New ones are for the marked sandboxes, or for ``sandbox_id``."""

    SCOPE = "ports"
    BINDINGS: ClassVar[list[BindingType]] = bindings("ports")
    AUTO_FOCUS = "#ports"

    def __init__(self, services: Services, sandbox_id: str | None, marked: tuple[str, ...] = ()) -> None:
        super().__init__(services)
        self.sandbox_id, self.marked = sandbox_id, marked
        self._probed_at = 0.0
        self._widths = Widths.of((), 80)
        self.row_actions = RowActions(services.sandboxes, self._named, "Select a port first")
        self.row_actions.attach(self, "open_sandbox", "shell", "logs", "files", "exec", "fork")

    @property
    def _flow(self) -> PortsFlow:
        return PortsFlow(self.app, self.services)

    def compose_body(self) -> Iterable[Widget]:
        with Vertical(id="ports-panel", classes="panel"):
            yield ChromeLine(id="ports-head")
            yield RowList(self._line, id="ports")
        with Vertical(id="forwards-panel", classes="panel"):
            yield RowList(self._forward_line, id="forwards")

    @property
    def board(self) -> PortBoard:
        """The exposures."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("not connected")
        return session.ports

    @property
    def forwards(self) -> ForwardBoard:
        """The forwards."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("not connected")
        return session.forwards

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", "Ports"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line: health counts, or the error."""
        if self.board.problem and self.board.load_state.is_loaded:
            key = self.services.key_of("ports.forward")
            return [
                Piece(f"✖ {clean(self.board.problem)}", "bad"),
                Piece(f"   {key} to forward a port instead", "dim"),
            ], []
        if not self.board.load_state.is_loaded:
            return [], []
        public = [Piece("public: anyone with the URL can connect", "dim")] if self.board.rows else []
        return counts(self.board.rows), public

    def on_mount(self) -> None:
        self.query_one("#ports-panel").border_title = Content("Exposed ports")
        self.query_one("#forwards-panel").border_title = Content("Local port forwards (SSH)")
        self.listen(self.board.on_change, self._changed)
        self.listen(self.forwards.on_change, self._changed)
        self._draw()
        self.action_probe()

    def tick(self) -> None:
        """Update the counters, and check the health of all addresses when due."""
        super().tick()
        if not self.is_covered:
            self.query_one("#forwards", RowList).refresh()
            if self.board.loaded and self.services.clock.monotonic() - self._probed_at >= PROBE_SECONDS:
                self.action_probe()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        self.update_chrome()

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        key = self.services.key_of
        if action in {"expose", "forward"}:
            if self._targets():
                return ""
            return f"No sandbox selected: select one in the fleet ({key('app.fleet')}), then press {key('fleet.ports')}"
        if action not in NEEDS_PORT:
            return ""
        forward, row = self._forward(), self._row()
        if forward is None and row is None:
            if self._in_forwards():
                return f"No forwards: {key('ports.forward')} forwards a port"
            if reason := why_not_loaded(self.board.load_state, WHAT, key("ports.probe")):
                return reason
            return f"No exposed ports: {key('ports.expose')} exposes one"
        if action == "browse" and not self._page():
            return f"Only HTTP addresses open in a browser: {key('ports.copy')} copies this one"
        return self.row_actions.why_not(action)

    # Exposures

    def action_expose(self) -> None:
        rows = [row for row in self._targets() if row.status == "RUNNING"]
        session = self.services.platform.session
        if session is None or not rows:
            why = self.services.bulk.why_none(EXPOSE, self._targets()) if self._targets() else ""
            self.services.notifier.refuse(f"{why} Only ports of a running sandbox can be exposed".strip(), "expose")
            return
        if all(row.sandbox.vm for row in rows):
            forward = self.services.key_of("ports.forward")
            text = f"Ports of a VM can't be exposed (network rules open them): press {forward} to forward one"
            self.services.notifier.refuse(text, "expose")
            return
        self._flow.expose([row for row in rows if not row.sandbox.vm], self.board)

    def action_unexpose(self) -> None:
        """Unexpose a port after confirmation; stop a forward, or remove an ended one from the list."""
        if (forward := self._forward()) is not None:
            if forward.state.is_over:
                self.forwards.forget(forward)
            else:
                self._work(self.forwards.close(forward))
            return
        row = self._row()
        if row is None:
            return
        self._flow.unexpose(row, self.board)

    def action_probe(self) -> None:
        self._probed_at = self.services.clock.monotonic()
        self._work(self._list_and_ask())

    # Forwards

    def action_forward(self) -> None:
        rows = self._targets()
        if rows:
            self._flow.forward(rows[0], self.forwards)

    # Copying and opening

    def action_copy(self) -> None:
        if (forward := self._forward()) is not None:
            self.services.clipboard.copy(forward.address)
        elif (row := self._row()) is not None:
            self.services.clipboard.copy(row.address)

    def action_copy_more(self) -> None:
        offers = self._offers()
        if not offers:
            return
        choices = [Choice(name, name[0], name, clean(text)) for name, text in offers.items()]

        def chosen(name: str | None) -> None:
            if name:
                self.services.clipboard.copy(offers[name])

        self.app.push_screen(ChooseDialog("Copy as", choices), chosen)

    def action_qr(self) -> None:
        from sandtui.ui.dialogs.qr import QrDialog

        forward, row = self._forward(), self._row()
        address = f"http://{forward.address}" if forward is not None else row.address if row is not None else ""
        try:
            self.app.push_screen(QrDialog(address))
        except ValueError as problem:
            self.services.notifier.refuse(str(problem), "QR code")

    def action_browse(self) -> None:
        if page := self._page():
            self.services.clipboard.open_url(page)

    def action_back(self) -> None:
        self.app.pop_screen()

    def _page(self) -> str:
        """Return the URL to open in a browser, or an empty text."""
        forward, row = self._forward(), self._row()
        if forward is not None:
            is_out = forward.spec.direction is Direction.OUT
            return own_page(f"http://{forward.address}", forward.sandbox_id) if is_out else ""
        return page_of(row.exposure) if row is not None else ""

    def _offers(self) -> dict[str, str]:
        forward, row = self._forward(), self._row()
        if forward is not None:
            return {"host and port": forward.address, "curl line": f"curl -sS http://{forward.address}/"}
        return copy_forms(row.exposure) if row is not None else {}

    # Workers

    async def _list_and_ask(self) -> None:
        await self.board.refresh()
        await self.board.probe([row.exposure.exposure_id for row in self.board.rows])

    def _work(self, flow: Coroutine[Any, Any, None]) -> None:
        self.run_flow(flow, "ports")

    def _targets(self) -> list[Row]:
        row = self._row()
        ids = self.marked or ([self.sandbox_id] if self.sandbox_id else [row.exposure.sandbox_id] if row else [])
        session = self.services.platform.session
        return [found for each in ids if session is not None and (found := session.store.get(each)) is not None]

    def _named(self) -> Sequence[str]:
        """Return the sandbox of the row under the cursor."""
        forward, row = self._forward(), self._row()
        if forward is not None:
            return [forward.sandbox_id]
        return [row.exposure.sandbox_id] if row is not None else []

    def _row(self) -> PortRow | None:
        if self._in_forwards():
            return None
        key = self.query_one("#ports", RowList).key
        return next((row for row in self.board.rows if row.exposure.exposure_id == key), None)

    def _forward(self) -> Forward | None:
        if not self._in_forwards():
            return None
        key = self.query_one("#forwards", RowList).key
        return next((each for each in self.forwards.forwards if each.number == key), None)

    def _in_forwards(self) -> bool:
        return self.query_one("#forwards", RowList).has_focus

    # Drawing

    def _line(self, number: int) -> list[Piece]:
        rows = self.board.rows
        if not rows:
            key = self.services.key_of
            if unknown := load_pieces(self.board.load_state, WHAT, key("ports.probe")):
                return unknown
            text = f"select a sandbox, then press {key('fleet.ports')} and {key('ports.expose')}"
            if self._targets():
                text = f"{key('ports.expose')} to expose a port"
            if self.board.unsupported:
                forward = key("ports.forward")
                text = f"this platform does not list exposures; {forward} to forward a port to localhost"
            return [Piece(" No exposed ports   ", "bright"), Piece(text, "dim")]
        if number >= len(rows):
            return []
        chosen = number == self.query_one("#ports", RowList).cursor
        return [Piece("▌" if chosen else " ", "key"), *line(rows[number], self._widths)]

    def _forward_line(self, number: int) -> list[Piece]:
        forwards = self.forwards.forwards
        if not forwards:
            forward = self.services.key_of("ports.forward")
            text = f"{forward} to forward a port to localhost"
            return [Piece(" None   ", "bright"), Piece(text, "dim")]
        if number >= len(forwards):
            return []
        view = self.query_one("#forwards", RowList)
        chosen = number == view.cursor and view.has_focus
        return [Piece("▌" if chosen else " ", "key"), *forward_lines.line(forwards[number], self.size.width)]

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        if self.is_mounted:
            self._widths = Widths.of(self.board.rows, self.size.width)
            self.query_one("#ports-head", ChromeLine).show(head(self._widths), [])
            self.query_one("#ports", RowList).show_rows([row.exposure.exposure_id for row in self.board.rows])
            self.query_one("#forwards", RowList).show_rows([each.number for each in self.forwards.forwards])
            self.update_chrome()
