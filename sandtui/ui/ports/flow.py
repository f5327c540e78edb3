"""Workflows for exposing and forwarding ports: dialogs, calls and notifications."""

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
    """Exposes, unexposes and forwards ports for the screens."""

    def __init__(self, app: App[Any], services: Services) -> None:
        self.app, self.services = app, services

    def expose(self, rows: list[Row], board: PortBoard) -> None:
        """Ask which port to expose, and expose it; for a single sandbox, offer its listening ports."""
        one = rows[0] if len(rows) == 1 else None
        dialog = ExposeDialog(one.sandbox.name if one else f"{len(rows):,} sandboxes", listening=one is not None)

        def on_result(answer: Exposure | None) -> None:
            if answer and one is not None:
                self._work(self._expose(board, one.id, *answer))
            elif answer:
                wanted = " ".join(str(part) for part in answer if part)
                self.services.bulk.confirm(make_plan(EXPOSE, rows, value=wanted))

        self.app.push_screen(dialog, on_result)
        if one is not None:
            self._work(self._offer(board, dialog, one.id))

    def unexpose(self, row: PortRow, board: PortBoard) -> None:
        """Ask for confirmation, then unexpose a port."""
        question = f"{row.address or f'Port {row.exposure.port}'} will stop working."

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self._work(self._unexpose(board, row))

        self.app.push_screen(AskDialog("Unexpose port", question, "Unexpose"), on_result)

    def forward(self, row: Row, board: ForwardBoard) -> None:
        """Ask which port to forward over SSH, and start the forward."""

        def check(text: str) -> str:
            try:
                parse_forward(text)
            except ValueError as problem:
                return str(problem)
            return ""

        def on_result(text: str | None) -> None:
            if text:
                self._work(self._open_forward(board, row.id, parse_forward(text)))

        title = f"Forward port of {row.sandbox.name}"
        example = "8000 · 8000:9000 (remote:local) · R:5432 (local to sandbox)"
        self.app.push_screen(ValueDialog(title, "ports", example, check), on_result)

    async def _open_forward(self, board: ForwardBoard, sandbox_id: str, spec: ForwardSpec) -> None:
        try:
            forward = await board.open(sandbox_id, spec)
        except PortTakenError as error:
            self.services.notifier.notify(f"Port not forwarded: {error}", "error")
        else:
            if spec.direction is Direction.OUT:
                self.services.notifier.notify(
                    f"Forwarding {forward.address} to port {spec.sandbox_port} of the sandbox"
                )

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
            self.services.notifier.notify(f"Port not exposed: {plain_fault(error, port)}", "error")
            return
        self.services.notifier.notify(f"Exposed at {exposed.url or exposed.external_endpoint}")
        await board.probe([exposed.exposure_id])

    async def _unexpose(self, board: PortBoard, row: PortRow) -> None:
        try:
            await board.unexpose(row)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Port not unexposed: {plain_fault(error, row.exposure.port)}", "error")

    def _work(self, flow: Coroutine[Any, Any, None]) -> None:
        self.services.work.start(flow, "ports")
