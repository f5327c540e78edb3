"""Lending the terminal to another program."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.app import App

from sandtui.directories import describe
from sandtui.ui.chrome.gate import still_open
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work
from sandtui.ui.terminal_loan import TerminalLoanError, editor_command, lent, run_in_terminal, stop_process


class TerminalLender:
    """Lends the terminal to one program after the other, and restores it afterwards."""

    def __init__(self, app: App[Any], work: Work, notifier: Notifier, *, confined: bool = False) -> None:
        self._app, self._work, self._notifier = app, work, notifier
        self._confined = confined
        self._turn = asyncio.Lock()
        self._has_shell = False

    @asynccontextmanager
    async def lend_to_shell(self) -> AsyncIterator[None]:
        """Release the terminal, once it is free, to a shell in a sandbox that this process connects.

        Raises:
            TerminalLoanError: there is no terminal, or it accepts no output.
        """
        self._check()
        async with self._turn:
            with lent(self._app):
                self._has_shell = True
                try:
                    yield
                finally:
                    self._has_shell = False

    async def run(self, command: Sequence[str]) -> int:
        """Run a program full screen, once the terminal is free, until it ends; return its exit code.

        Raises:
            TerminalLoanError: it can't be started.
        """
        self._check()
        async with self._turn:
            return await run_in_terminal(self._app, command)

    def _check(self) -> None:
        if self._confined:
            raise TerminalLoanError("this dashboard starts no programs on the machine where it runs")

    def stop_process(self) -> None:
        """Suspend this process until the shell continues it (ctrl+z), unless that is for a shell in a sandbox."""
        # Ctrl+z that was typed just before the shell had the terminal comes as a signal. Stopped now, this process
        # would leave the terminal in the shell's modes.
        if not self._has_shell and not self._confined:
            stop_process(self._app, self._notifier.notify)

    def edit_text(self, text: str, name: str, done: Callable[[str], None]) -> None:
        """Edit a text in ``$EDITOR``; ``done`` gets the saved text. On failure the user is notified.

        The temporary file is private to this user, and deleted afterwards. The edit belongs to the screen in front:
        if that is closed meanwhile, no editor opens, and no result is delivered.
        """
        is_wanted = still_open(self._app.screen)
        self._work.worker(self._edit(text, name, done, is_wanted), "editor", exclusive=True)

    async def _edit(self, text: str, name: str, done: Callable[[str], None], is_wanted: Callable[[], bool]) -> None:
        try:
            self._check()
            command = editor_command()
            with tempfile.TemporaryDirectory(prefix="sandtui-edit-") as folder:
                path = Path(folder) / name
                await asyncio.to_thread(path.write_text, text, encoding="utf-8")
                async with self._turn:
                    if not is_wanted():
                        return
                    code = await run_in_terminal(self._app, [*command, str(path)])
                edited = await asyncio.to_thread(path.read_text, encoding="utf-8")
        except UnicodeDecodeError:
            self._notifier.notify("Not edited: the file is not valid UTF-8", "error")
        except (OSError, TerminalLoanError) as error:
            self._notifier.notify(f"Not edited: {describe(error)}", "error")
        else:
            if code:
                reason = f"{command[0]} exited with code {code}; the text is unchanged"
                self._notifier.notify(reason, "warning")
            elif edited != text and is_wanted():
                done(edited)
