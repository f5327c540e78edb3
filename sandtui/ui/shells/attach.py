"""Hands the whole terminal to a shell in a sandbox, and takes it back at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    """Open a shell in a sandbox that is known; what comes of it is told when it has ended.

    The dashboard keeps the terminal until the shell is connected, and the wait can be cancelled.
    """
    session = services.platform.session
    row = session.store.get(sandbox_id) if session is not None else None
    if session is None or row is None:
        return
    name = clean(row.sandbox.name)
    if row.status != "RUNNING":
        services.notifier.notify(f"No shell in {name}: its status is {row.status}.", "warning")
        return
    dialog = WaitDialog(f"Connecting to {name}", "Opening a shell in the whole terminal", services.navigator.close)

    def answered(_: object) -> None:
        worker.cancel()

    worker = services.work.worker(_shell(services, session, sandbox_id, name, dialog), "shell", exclusive=True)
    app.push_screen(dialog, answered)


@contextmanager
def _taking(services: Services, dialog: WaitDialog) -> Iterator[None]:
    dialog.finish()
    with services.terminal.lend():
        yield


async def _shell(services: Services, session: FleetSession, sandbox_id: str, name: str, dialog: WaitDialog) -> None:
    from sandtui.fleet.shells.attach import attach

    try:
        code = await attach(session.client, sandbox_id, name, take_terminal=partial(_taking, services, dialog))
    except (SandboxClientError, TerminalLoanError, OSError) as error:
        services.notifier.notify(f"No shell in {name}: {describe(error)}", "error")
    else:
        services.notifier.notify(f"The shell in {name} ended with exit code {code}.")
    finally:
        dialog.finish()
