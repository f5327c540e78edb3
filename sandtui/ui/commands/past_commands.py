"""The command history: searching it in a thread, and choosing a command."""

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
    """Search the history; ``found`` gets the commands, newest first."""

    async def flow() -> None:
        try:
            commands = await asyncio.to_thread(services.command_history.search, text, sandbox_id)
        except OSError as error:
            services.notifier.notify(f"Can't read the command history: {describe(error)}", "warning")
        else:
            found(commands)

    services.work.start(flow(), "history", exclusive=True)


def ask_history(app: App[Any], services: Services, field: CommandLine, sandbox_id: str | None) -> None:
    """Let the user choose a command from the history, and put it into a command line.

    ``sandbox_id`` is the sandbox whose history is shown first, None for all.
    """

    def on_result(command: str | None) -> None:
        if command:
            field.put(command)
            field.focus()

    search = partial(search_commands, services)
    app.push_screen(HistoryDialog(sandbox_id, field.text.strip(), services.clock.now(), search), on_result)
