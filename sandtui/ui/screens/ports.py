"""All exposed ports of the fleet, and the ports that are forwarded through SSH."""

from __future__ import annotations

import shlex
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.client import SandboxClientError
from sandtui.fleet.bulk import BulkRun, Outcome
from sandtui.fleet.forwards.board import ForwardBoard, PortTakenError
from sandtui.fleet.forwards.forward import Direction, Forward, ForwardSpec, parse_forward
from sandtui.fleet.ports import PortBoard, PortRow, plain_fault
from sandtui.fleet.row import Row
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.render import forwards as forward_lines
from sandtui.ui.render.ports import counts, head, line
from sandtui.ui.render.text import Content, Piece
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.screens.dialogs.ask import AskDialog
from sandtui.ui.screens.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.screens.dialogs.expose import ExposeDialog, Exposure
from sandtui.ui.screens.dialogs.value import ValueDialog
from sandtui.ui.widgets.line import ChromeLine
from sandtui.ui.widgets.row_list import RowList

PROBE_SECONDS = 30.0
"""Between probes of every address while somebody looks."""


class PortsScreen(AppScreen):
    """Every exposure and every forward. A new one is for the marked sandboxes, or for ``sandbox_id``."""

    SCOPE = "ports"
    BINDINGS: ClassVar[list[BindingType]] = bindings("ports")
    AUTO_FOCUS = "#ports"

    def __init__(self, sandbox_id: str | None, marked: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.sandbox_id, self.marked = sandbox_id, marked
        self._probed_at = 0.0

    def compose_body(self) -> Iterable[Widget]:
        """Exposures above, forwards below."""
        with Vertical(id="ports-panel", classes="panel"):
            yield ChromeLine(id="ports-head")
            yield RowList(self._line, id="ports")
        with Vertical(id="forwards-panel", classes="panel"):
            yield RowList(self._forward_line, id="forwards")

    @property
    def board(self) -> PortBoard:
        """What is known about the exposures."""
        session = self.bridge.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.ports

    @property
    def forwards(self) -> ForwardBoard:
        """The forwards."""
        session = self.bridge.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.forwards

    def crumbs(self) -> list[str]:
        """Fleet, ports."""
        return ["Fleet", "Ports"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell how many answer, or what went wrong."""
        if self.board.problem:
            return [Piece(f"✖ {clean(self.board.problem)}", "bad"), Piece("   F forwards a port instead", "dim")], []
        public = [Piece("anyone with an address can reach it", "dim")] if self.board.rows else []
        return counts(self.board.rows), public

    def on_mount(self) -> None:
        """List, then ask each."""
        super().on_mount()
        self.query_one("#ports-panel").border_title = Content("Exposed ports")
        self.query_one("#forwards-panel").border_title = Content("Forwarded through SSH, this machine only")
        self.board.on_change = self._changed
        self.forwards.on_change = self._changed
        self._draw()
        self.action_probe()

    def on_unmount(self) -> None:
        """Stop listening; forwards go on."""
        if self.bridge.session is not None:
            self.board.on_change = self.forwards.on_change = lambda: None

    def tick(self) -> None:
        """Let the counters grow, and ask every address again after a while."""
        super().tick()
        if not self.is_covered:
            self.query_one("#forwards", RowList).refresh()
            if self.board.loaded and self.bridge.clock.monotonic() - self._probed_at >= PROBE_SECONDS:
                self.action_probe()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        """Other keys may work."""
        self.update_chrome()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys need a row; a new exposure or forward needs a sandbox."""
        if action in {"unexpose", "copy", "copy_more", "qr", "open"}:
            return self._row() is not None or self._forward() is not None
        return bool(self._targets()) if action in {"expose", "forward"} else True

    # Exposures

    def action_expose(self) -> None:
        """Expose a port of the sandboxes."""
        rows = [row for row in self._targets() if row.status == "RUNNING"]
        session = self.bridge.session
        if session is None or not rows:
            self.dashboard.say("Only ports of a sandbox that runs can be exposed.", "warning")
            return
        if all(row.sandbox.vm for row in rows):
            words = "A VM has no exposures: its ports are opened by network rules. F forwards one to this machine."
            self.dashboard.say(words, "warning")
            return
        rows = [row for row in rows if not row.sandbox.vm]
        where = rows[0].sandbox.name if len(rows) == 1 else f"{len(rows):,} sandboxes"
        dialog = ExposeDialog(where, listening=len(rows) == 1)

        def answered(answer: Exposure | None) -> None:
            if not answer:
                return
            if len(rows) == 1:
                self._work(self._expose(rows[0].id, *answer))
            else:
                self._expose_many(rows, answer)

        self.app.push_screen(dialog, answered)
        if len(rows) == 1:
            self._work(self._offer(dialog, rows[0].id))

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
        question = f"Nobody will reach {row.address or row.exposure.port} any more."

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self._work(self._unexpose(row))

        self.app.push_screen(AskDialog("Take an exposure back", question, "Unexpose"), answered)

    def action_probe(self) -> None:
        """Ask every address again."""
        self._probed_at = self.bridge.clock.monotonic()
        self._work(self._list_and_ask())

    # Forwards

    def action_forward(self) -> None:
        """Forward a port through SSH."""
        rows = self._targets()
        if not rows:
            return
        row = rows[0]

        def check(text: str) -> str:
            try:
                parse_forward(text)
            except ValueError as problem:
                return str(problem)
            return ""

        def answered(text: str | None) -> None:
            if text:
                self._work(self._open_forward(row.id, parse_forward(text)))

        title = f"Forward a port of {row.sandbox.name}"
        example = "8000 · 8000 to 9000 (here) · 5432 from 5432 (of here)"
        self.app.push_screen(ValueDialog(title, "ports", example, check), answered)

    async def _open_forward(self, sandbox_id: str, spec: ForwardSpec) -> None:
        try:
            forward = await self.forwards.open(sandbox_id, spec)
        except PortTakenError as error:
            self.dashboard.say(f"Not forwarded: {error}.", "error")
        else:
            if spec.direction is Direction.OUT:
                self.dashboard.say(f"{forward.address} leads to port {spec.sandbox_port} of the sandbox.")

    # Copying and opening

    def action_copy(self) -> None:
        """Copy the address."""
        if (forward := self._forward()) is not None:
            self.dashboard.copy(forward.address)
        elif (row := self._row()) is not None:
            self.dashboard.copy(row.address)

    def action_copy_more(self) -> None:
        """Choose the form in which to copy it."""
        offers = self._offers()
        if not offers:
            return
        choices = [Choice(name, name[0], name, clean(text)) for name, text in offers.items()]

        def chosen(name: str | None) -> None:
            if name:
                self.dashboard.copy(offers[name])

        self.app.push_screen(ChooseDialog("Copy as", choices), chosen)

    def action_qr(self) -> None:
        """Show the address as a QR code."""
        from sandtui.ui.screens.dialogs.qr import QrDialog

        forward, row = self._forward(), self._row()
        address = f"http://{forward.address}" if forward is not None else row.address if row is not None else ""
        try:
            self.app.push_screen(QrDialog(address))
        except ValueError as problem:
            self.dashboard.say(f"No QR code: {problem}", "warning")

    def action_open(self) -> None:
        """Open the address in the browser."""
        forward, row = self._forward(), self._row()
        if forward is not None and forward.spec.direction is Direction.OUT:
            self.app.open_url(f"http://{forward.address}")
        elif row is not None and row.exposure.url.startswith(("http://", "https://")):
            self.app.open_url(row.exposure.url)

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def _offers(self) -> dict[str, str]:
        forward, row = self._forward(), self._row()
        if forward is not None:
            return {"host and port": forward.address, "curl line": f"curl -sS http://{forward.address}/"}
        if row is None:
            return {}
        exposure = row.exposure
        offers = {"url": exposure.url} if exposure.url else {}
        if exposure.url:
            offers["curl line"] = f"curl -sS {shlex.quote(exposure.url)}"
        if exposure.external_endpoint:
            host, _, port = exposure.external_endpoint.rpartition(":")
            offers["host and port"] = exposure.external_endpoint
            offers["netcat line"] = f"nc {shlex.quote(host)} {shlex.quote(port)}"
        return offers | {"id": exposure.exposure_id}

    # At work

    async def _list_and_ask(self) -> None:
        await self.board.refresh()
        await self.board.probe([row.exposure.exposure_id for row in self.board.rows])

    async def _offer(self, dialog: ExposeDialog, sandbox_id: str) -> None:
        try:
            ports: list[int] | None = await self.board.listening(sandbox_id)
        except SandboxClientError:
            ports = None
        dialog.offer(ports)

    async def _expose(self, sandbox_id: str, port: int, protocol: str, name: str | None) -> None:
        try:
            exposed = await self.board.expose(sandbox_id, port, protocol, name)
        except SandboxClientError as error:
            self.dashboard.say(f"Not exposed: {plain_fault(error, port)}", "error")
            return
        self.dashboard.say(f"Exposed at {exposed.url or exposed.external_endpoint}.")
        await self.board.probe([exposed.exposure_id])

    def _expose_many(self, rows: list[Row], answer: Exposure) -> None:
        port, protocol, name = answer
        client = self.forwards.client

        async def work(sandbox_ids: Iterable[str]) -> dict[str, Outcome]:
            outcomes = {}
            for sandbox_id in sandbox_ids:
                try:
                    exposed = await client.expose(sandbox_id, port, name, protocol)
                except SandboxClientError as error:
                    outcomes[sandbox_id] = Outcome(False, plain_fault(error, port))
                else:
                    outcomes[sandbox_id] = Outcome(True, exposed.url or exposed.external_endpoint or "exposed")
            return outcomes

        title = f"Expose port {port} of {len(rows):,} sandboxes"
        run = BulkRun(title, rows, work, self.bridge.clock, at_once=2)

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.bridge.run_bulk(run)
                self.dashboard.bulk.show(run)

        question = f"This makes {len(rows):,} ports public: anyone who has an address can reach it."
        self.app.push_screen(AskDialog(title, question, "Expose"), answered)

    async def _unexpose(self, row: PortRow) -> None:
        try:
            await self.board.unexpose(row)
        except SandboxClientError as error:
            self.dashboard.say(f"Still exposed: {plain_fault(error, row.exposure.port)}", "error")

    def _work(self, flow: Coroutine[Any, Any, None]) -> None:
        self.bridge.run_flow(flow, "ports")

    def _targets(self) -> list[Row]:
        row = self._row()
        ids = self.marked or ([self.sandbox_id] if self.sandbox_id else [row.exposure.sandbox_id] if row else [])
        session = self.bridge.session
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
            words = "n exposes a port of the chosen sandbox" if self._targets() else "choose a sandbox, then p and n"
            if self.board.problem:
                words = "this platform tells of no exposures; F forwards a port of a sandbox to this machine"
            return [Piece(" No port is exposed   ", "bright"), Piece(words, "dim")]
        if number >= len(rows):
            return []
        chosen = number == self.query_one("#ports", RowList).cursor
        return [Piece("▌" if chosen else " ", "key"), *line(rows[number], self.size.width)]

    def _forward_line(self, number: int) -> list[Piece]:
        forwards = self.forwards.forwards
        if not forwards:
            return [Piece(" None   ", "bright"), Piece("F forwards a port, also one that can't be exposed", "dim")]
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
