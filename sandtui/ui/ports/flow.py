"""Exposing and forwarding ports: what is asked first, what is done then, and what is said about it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from textual.app import App

from sandtui.client import SandboxClientError
from sandtui.fleet.inventory.bulk_plan import EXPOSE, make_plan
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.ports.exposures import PortBoard, PortRow, plain_fault
from sandtui.fleet.ports.forward import Direction, ForwardSpec, parse_forward
from sandtui.fleet.ports.forwards import ForwardBoard, PortTakenError
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.ports.expose_dialog import ExposeDialog, Exposure
from sandtui.ui.services.bundle import Services


class PortsFlow:
    """Opens ports to the world or to this machine, and closes them."""

    def __init__(self, app: App[Any], services: Services) -> None:
        self.app, self.services = app, services

    def expose(self, rows: list[Row], board: PortBoard) -> None:
        """Ask which port of some sandboxes to expose, and do so; of one, what listens there is offered."""
        one = rows[0] if len(rows) == 1 else None
        dialog = ExposeDialog(one.sandbox.name if one else f"{len(rows):,} sandboxes", listening=one is not None)

        def answered(answer: Exposure | None) -> None:
            if answer and one is not None:
                self._work(self._expose(board, one.id, *answer))
            elif answer:
                wanted = " ".join(str(part) for part in answer if part)
                self.services.bulk.confirm(make_plan(EXPOSE, rows, value=wanted))

        self.app.push_screen(dialog, answered)
        if one is not None:
            self._work(self._offer(board, dialog, one.id))

    def unexpose(self, row: PortRow, board: PortBoard) -> None:
        """Ask, and take an exposure back."""
        question = f"Nobody will reach {row.address or row.exposure.port} any more."

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self._work(self._unexpose(board, row))

        self.app.push_screen(AskDialog("Take an exposure back", question, "Unexpose"), answered)

    def forward(self, row: Row, board: ForwardBoard) -> None:
        """Ask which port to forward through SSH, and open the forward."""

        def check(text: str) -> str:
            try:
                parse_forward(text)
            except ValueError as problem:
                return str(problem)
            return ""

        def answered(text: str | None) -> None:
            if text:
                self._work(self._open_forward(board, row.id, parse_forward(text)))

        title = f"Forward a port of {row.sandbox.name}"
        example = "8000 · 8000 to 9000 (here) · 5432 from 5432 (of here)"
        self.app.push_screen(ValueDialog(title, "ports", example, check), answered)

    async def _open_forward(self, board: ForwardBoard, sandbox_id: str, spec: ForwardSpec) -> None:
        try:
            forward = await board.open(sandbox_id, spec)
        except PortTakenError as error:
            self.services.notifier.notify(f"Not forwarded: {error}.", "error")
        else:
            if spec.direction is Direction.OUT:
                self.services.notifier.notify(f"{forward.address} leads to port {spec.sandbox_port} of the sandbox.")

    async def _offer(self, board: PortBoard, dialog: ExposeDialog, sandbox_id: str) -> None:
        try:
            ports: list[int] | None = await board.listening(sandbox_id)
        except SandboxClientError:
            ports = None
        dialog.offer(ports)

    async def _expose(self, board: PortBoard, sandbox_id: str, port: int, protocol: str, name: str | None) -> None:
        try:
            exposed = await board.expose(sandbox_id, port, protocol, name)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Not exposed: {plain_fault(error, port)}", "error")
            return
        self.services.notifier.notify(f"Exposed at {exposed.url or exposed.external_endpoint}.")
        await board.probe([exposed.exposure_id])

    async def _unexpose(self, board: PortBoard, row: PortRow) -> None:
        try:
            await board.unexpose(row)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Still exposed: {plain_fault(error, row.exposure.port)}", "error")

    def _work(self, flow: Coroutine[Any, Any, None]) -> None:
        self.services.work.start(flow, "ports")
