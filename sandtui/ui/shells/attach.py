"""Opening a full-screen shell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from textual.app import App

from sandtui.client import SandboxClientError
from sandtui.directories import describe
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.dialogs.wait import WaitDialog
from sandtui.ui.services.bundle import Services
from sandtui.ui.terminal_loan import TerminalLoanError


def attach_shell(app: App[Any], services: Services, sandbox_id: str) -> None:
    """Open a full-screen shell; notify of the result when it has ended.

    The dashboard keeps the terminal until the shell is connected; connecting can be cancelled.
    """
    session = services.platform.session
    row = session.store.get(sandbox_id) if session is not None else None
    if session is None or row is None:
        return
    name = clean(row.sandbox.name)
    if row.status != "RUNNING":
        services.notifier.notify(f"Can't open a shell in {name}: status is {row.status}", "warning")
        return
    dialog = WaitDialog(f"Connecting to {name}", "Opening a full-screen shell", services.navigator.close)

    def on_result(_: object) -> None:
        worker.cancel()

    worker = services.work.worker(_shell(services, session, sandbox_id, name, dialog), "shell", exclusive=True)
    app.push_screen(dialog, on_result)


@asynccontextmanager
async def _taking(services: Services, dialog: WaitDialog) -> AsyncIterator[None]:
    dialog.finish()
    async with services.terminal.lend_to_shell():
        yield


async def _shell(services: Services, session: FleetSession, sandbox_id: str, name: str, dialog: WaitDialog) -> None:
    from sandtui.fleet.shells.attach import attach

    try:
        code = await attach(session.client, sandbox_id, name, take_terminal=partial(_taking, services, dialog))
    except (SandboxClientError, TerminalLoanError, OSError) as error:
        services.notifier.notify(f"Can't open a shell in {name}: {describe(error)}", "error")
    else:
        services.notifier.notify(f"Shell in {name} exited with code {code}")
    finally:
        dialog.finish()
