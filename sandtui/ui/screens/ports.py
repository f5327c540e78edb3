"""All exposed ports of the fleet: expose, take back, ask for an answer, copy, open."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.client import SandboxClientError
from sandtui.fleet.ports import PortBoard, PortRow, parse_exposure
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.render.ports import counts, head, line
from sandtui.ui.render.text import Content, Piece
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.screens.dialogs.ask import AskDialog
from sandtui.ui.screens.dialogs.value import ValueDialog
from sandtui.ui.widgets.line import ChromeLine
from sandtui.ui.widgets.output_view import OutputView


class PortsScreen(AppScreen):
    """Every exposure. ``sandbox_id`` is the one that a new exposure is for."""

    SCOPE = "ports"
    BINDINGS: ClassVar[list[BindingType]] = bindings("ports")
    AUTO_FOCUS = "OutputView"

    def __init__(self, sandbox_id: str | None) -> None:
        super().__init__()
        self.sandbox_id = sandbox_id

    def compose_body(self) -> Iterable[Widget]:
        """Head and rows."""
        with Vertical(id="ports-panel", classes="panel"):
            yield ChromeLine(id="ports-head")
            yield OutputView(self._line, id="ports")

    @property
    def board(self) -> PortBoard:
        """What is known about the exposures."""
        session = self.bridge.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.ports

    def crumbs(self) -> list[str]:
        """Fleet, ports."""
        return ["Fleet", "Ports"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell how many answer, or what went wrong."""
        if self.board.problem:
            return [Piece(f"✖ {clean(self.board.problem)}", "bad")], []
        public = [Piece("anyone with an address can reach it", "dim")] if self.board.rows else []
        return counts(self.board.rows), public

    def on_mount(self) -> None:
        """List, then ask each."""
        super().on_mount()
        self.query_one("#ports-panel").border_title = Content("Exposed ports")
        self.query_one(OutputView).following = False
        self.board.on_change = self._changed
        self._draw()
        self._work(self._list_and_ask())

    def on_unmount(self) -> None:
        """Stop listening."""
        if self.bridge.session is not None:
            self.board.on_change = lambda: None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys need a row; a new exposure needs a sandbox."""
        if action in {"unexpose", "copy", "open"}:
            return self._row() is not None
        return self._target() is not None if action == "expose" else True

    def action_expose(self) -> None:
        """Expose a port of the sandbox."""
        target = self._target()
        session = self.bridge.session
        if target is None or session is None:
            return
        row = session.store.get(target)
        name = clean(row.sandbox.name if row is not None else target)

        def check(text: str) -> str:
            try:
                parse_exposure(text)
            except ValueError as problem:
                return str(problem)
            return ""

        def answered(text: str | None) -> None:
            if text:
                self._work(self._expose(target, *parse_exposure(text)))

        dialog = ValueDialog(f"Expose a port of {name}", "PORT PROTOCOL NAME", "8000 http web", check)
        self.app.push_screen(dialog, answered)

    def action_unexpose(self) -> None:
        """Ask, and take the exposure back."""
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
        self._work(self._list_and_ask())

    def action_copy(self) -> None:
        """Copy the address."""
        if (row := self._row()) is not None:
            self.dashboard.copy(row.address)

    def action_open(self) -> None:
        """Open the address in the browser."""
        row = self._row()
        if row is not None and row.exposure.url.startswith(("http://", "https://")):
            self.app.open_url(row.exposure.url)

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()

    async def _list_and_ask(self) -> None:
        await self.board.refresh()
        await self.board.probe([row.exposure.exposure_id for row in self.board.rows])

    async def _expose(self, sandbox_id: str, port: int, protocol: str, name: str | None) -> None:
        try:
            exposed = await self.board.expose(sandbox_id, port, protocol, name)
        except SandboxClientError as error:
            self.dashboard.say(f"Not exposed: {error}", "error")
            return
        self.dashboard.say(f"Exposed at {exposed.url or exposed.external_endpoint}.")
        await self.board.probe([exposed.exposure_id])

    async def _unexpose(self, row: PortRow) -> None:
        try:
            await self.board.unexpose(row)
        except SandboxClientError as error:
            self.dashboard.say(f"Still exposed: {error}", "error")

    def _work(self, flow: Coroutine[Any, Any, None]) -> None:
        self.bridge.run_flow(flow, "ports")

    def _target(self) -> str | None:
        row = self._row()
        return self.sandbox_id or (row.exposure.sandbox_id if row is not None else None)

    def _row(self) -> PortRow | None:
        rows = self.board.rows
        place = self.query_one(OutputView).cursor
        return rows[place] if place < len(rows) else None

    def _line(self, number: int) -> list[Piece]:
        rows = self.board.rows
        if not rows:
            if not self.board.loaded:
                return [Piece(" ◌ asking …", "waiting")]
            words = "n exposes a port of the chosen sandbox" if self.sandbox_id else "choose a sandbox, then p and n"
            return [Piece(" No port is exposed   ", "bright"), Piece(words, "dim")]
        if number >= len(rows):
            return []
        chosen = number == self.query_one(OutputView).cursor
        return [Piece("▌" if chosen else " ", "key"), *line(rows[number], self.size.width)]

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        if self.is_mounted:
            self.query_one("#ports-head", ChromeLine).show(head(self.size.width), [])
            self.query_one(OutputView).show(max(1, len(self.board.rows)))
            self.update_chrome()
