"""Hands the whole terminal to a shell in a sandbox, and takes it back at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from sandtui.client import SandboxClientError
from sandtui.fleet.sanitize import clean
from sandtui.fleet.session import FleetSession

if TYPE_CHECKING:
    from sandtui.ui.navigation import Navigation


def hand_to_shell(app: Navigation, sandbox_id: str) -> None:
    """Open a shell in a sandbox that is known; what comes of it is told when it has ended."""
    session = app.bridge.session
    row = session.store.get(sandbox_id) if session is not None else None
    if session is not None and row is not None:
        flow = _shell(app, session, sandbox_id, clean(row.sandbox.name))
        app.run_worker(flow, group="shell", exclusive=True, exit_on_error=False)


async def _shell(app: Navigation, session: FleetSession, sandbox_id: str, name: str) -> None:
    from sandtui.fleet.shell import attach

    try:
        # Inside a batch: nothing may be painted while the terminal is not ours, and what would be painted
        # must not fill the writer's queue, which nobody empties meanwhile (traps.md 3).
        with app.batch_update(), app.suspend():
            code = await attach(session.client, sandbox_id, name)
    except (SandboxClientError, SuspendNotSupported) as error:
        app.say(f"No shell in {name}: {error}", "error")
    else:
        app.say(f"The shell in {name} ended with exit code {code}.")
    app.refresh(layout=True)
