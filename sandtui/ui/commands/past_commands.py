"""Commands of earlier sessions, looked up in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from sandtui.directories import describe
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.ui.services.bundle import Services


def search_commands(
    services: Services, text: str, sandbox_id: str | None, found: Callable[[Sequence[PastCommand]], None]
) -> None:
    """Look for commands; ``found`` gets them, newest first."""

    async def flow() -> None:
        try:
            commands = await asyncio.to_thread(services.command_history.search, text, sandbox_id)
        except OSError as error:
            services.notifier.notify(f"The history of commands can't be read: {describe(error)}", "warning")
        else:
            found(commands)

    services.work.start(flow(), "history", exclusive=True)
