"""All exposed ports of the fleet, and the ports that are forwarded through SSH."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
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
from sandtui.ui.ports.exposures import counts, head, line
from sandtui.ui.ports.flow import PortsFlow
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.row_list import RowList

PROBE_SECONDS = 30.0
"""Between probes of every address while somebody looks."""


class PortsScreen(AppScreen):
    """Every exposure and every forward. A new one is for the marked sandboxes, or for ``sandbox_id``."""

    SCOPE = "ports"
    BINDINGS: ClassVar[list[BindingType]] = bindings("ports")
    AUTO_FOCUS = "#ports"

    def __init__(self, services: Services, sandbox_id: str | None, marked: tuple[str, ...] = ()) -> None:
        super().__init__(services)
        self.sandbox_id, self.marked = sandbox_id, marked
        self._probed_at = 0.0

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
        """What is known about the exposures."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.ports

    @property
    def forwards(self) -> ForwardBoard:
        """The forwards."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.forwards

    def crumbs(self) -> list[str]:
        """Fleet, ports."""
        return ["Fleet", "Ports"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell how many answer, or what went wrong."""
        if self.board.problem:
            key = self.services.key_of("ports.forward")
            return [
                Piece(f"✖ {clean(self.board.problem)}", "bad"),
                Piece(f"   {key} forwards a port instead", "dim"),
            ], []
        public = [Piece("anyone with an address can reach it", "dim")] if self.board.rows else []
        return counts(self.board.rows), public

    def on_mount(self) -> None:
        self.query_one("#ports-panel").border_title = Content("Exposed ports")
        self.query_one("#forwards-panel").border_title = Content("Forwarded through SSH, this machine only")
        self.listen(self.board.on_change, self._changed)
        self.listen(self.forwards.on_change, self._changed)
        self._draw()
        self.action_probe()

    def tick(self) -> None:
        """Let the counters grow, and ask every address again after a while."""
        super().tick()
        if not self.is_covered:
            self.query_one("#forwards", RowList).refresh()
            if self.board.loaded and self.services.clock.monotonic() - self._probed_at >= PROBE_SECONDS:
                self.action_probe()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        self.update_chrome()

    def why_not(self, action: str) -> str:
        """Return that a key needs a row, a sandbox, or an address that a browser can open."""
        key = self.services.key_of
        if action in {"expose", "forward"}:
            if self._targets():
                return ""
            return f"No sandbox is chosen: {key('app.fleet')} goes to the fleet, {key('fleet.ports')} there comes back."
        if action not in {"unexpose", "copy", "copy_more", "qr", "open"}:
            return ""
        forward, row = self._forward(), self._row()
        if forward is None and row is None:
            if self._in_forwards():
                return f"No port is forwarded: {key('ports.forward')} forwards one."
            return f"No port is exposed: {key('ports.expose')} exposes one."
        if action == "open" and not self._page():
            return f"A browser opens HTTP addresses of sandboxes only: {key('ports.copy')} copies this one."
        return ""

    # Exposures

    def action_expose(self) -> None:
        rows = [row for row in self._targets() if row.status == "RUNNING"]
        session = self.services.platform.session
        if session is None or not rows:
            why = self.services.bulk.why_none(EXPOSE, self._targets()) if self._targets() else ""
            self.services.notifier.refuse(f"{why} Only ports of a sandbox that runs can be exposed.".strip(), "expose")
            return
        if all(row.sandbox.vm for row in rows):
            forward = self.services.key_of("ports.forward")
            words = (
                f"A VM has no exposures: its ports are opened by network rules. {forward} forwards one to this machine."
            )
            self.services.notifier.refuse(words, "expose")
            return
        self._flow.expose([row for row in rows if not row.sandbox.vm], self.board)

    def action_unexpose(self) -> None:
        """Ask, and take the exposure back; a forward is closed, or taken off the list when it is over."""
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

    def action_open(self) -> None:
        if page := self._page():
            self.services.clipboard.open_url(page)

    def action_back(self) -> None:
        self.app.pop_screen()

    def _page(self) -> str:
        """Return the address that a browser can open, or an empty text."""
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

    # At work

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
            if not self.board.loaded and not self.board.problem:
                return [Piece(" ◌ asking …", "waiting")]
            key = self.services.key_of
            words = f"choose a sandbox, then {key('fleet.ports')} and {key('ports.expose')}"
            if self._targets():
                words = f"{key('ports.expose')} exposes a port of the chosen sandbox"
            if self.board.problem:
                forward = key("ports.forward")
                words = f"this platform tells of no exposures; {forward} forwards a port of a sandbox to this machine"
            return [Piece(" No port is exposed   ", "bright"), Piece(words, "dim")]
        if number >= len(rows):
            return []
        chosen = number == self.query_one("#ports", RowList).cursor
        return [Piece("▌" if chosen else " ", "key"), *line(rows[number], self.size.width)]

    def _forward_line(self, number: int) -> list[Piece]:
        forwards = self.forwards.forwards
        if not forwards:
            forward = self.services.key_of("ports.forward")
            words = f"{forward} forwards a port, also one that can't be exposed"
            return [Piece(" None   ", "bright"), Piece(words, "dim")]
        if number >= len(forwards):
            return []
        view = self.query_one("#forwards", RowList)
        chosen = number == view.cursor and view.has_focus
        return [Piece("▌" if chosen else " ", "key"), *forward_lines.line(forwards[number])]

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        if self.is_mounted:
            self.query_one("#ports-head", ChromeLine).show(head(self.size.width), [])
            self.query_one("#ports", RowList).show_rows([row.exposure.exposure_id for row in self.board.rows])
            self.query_one("#forwards", RowList).show_rows([each.number for each in self.forwards.forwards])
            self.update_chrome()
