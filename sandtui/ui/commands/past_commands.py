"""Commands of earlier sessions: looked up in a thread, and chosen for a command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from textual.app import App

from sandtui.directories import describe
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.history_dialog import HistoryDialog
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


def ask_history(app: App[Any], services: Services, field: CommandLine, sandbox_id: str | None) -> None:
    """Let the user search the commands that were run, and put the chosen one into a command line.

    ``sandbox_id`` is the sandbox whose commands are shown at first, None for those of all.
    """

    def answered(command: str | None) -> None:
        if command:
            field.put(command)
            field.focus()

    search = partial(search_commands, services)
    app.push_screen(HistoryDialog(sandbox_id, field.text.strip(), services.clock.now(), search), answered)
