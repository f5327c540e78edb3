"""The whole terminal for another program, for a while."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from textual.app import App

from sandtui.directories import describe
from sandtui.ui.chrome.gate import still_open
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work
from sandtui.ui.terminal_loan import TerminalLoanError, editor_command, lent, run_in_terminal, stop_process


class TerminalLender:
    """Gives the terminal away and takes it back."""

    def __init__(self, app: App[Any], work: Work, notifier: Notifier) -> None:
        self._app, self._work, self._notifier = app, work, notifier

    def lend(self) -> AbstractContextManager[None]:
        """Give the terminal away for a block.

        Raises:
            TerminalLoanError: there is none to give away, or it takes no output.
        """
        return lent(self._app)

    async def run(self, command: Sequence[str]) -> int:
        """Run a program that has the whole terminal until it ends; return its exit code.

        Raises:
            TerminalLoanError: it can't be started.
        """
        return await run_in_terminal(self._app, command)

    def stop_process(self) -> None:
        """Stop this process until the shell continues it, as ctrl+z asks for."""
        stop_process(self._app, self._notifier.notify)

    def edit_text(self, text: str, name: str, done: Callable[[str], None]) -> None:
        """Have a text edited; ``done`` gets what was saved. A failure is told and leaves the text as it was.

        The text lies in a folder that only this user can read, and is gone afterwards. It belongs to the screen in
        front: when that has been left, no editor opens for it, and nothing comes back to it.
        """
        is_wanted = still_open(self._app.screen)
        self._work.worker(self._edit(text, name, done, is_wanted), "editor", exclusive=True)

    async def _edit(self, text: str, name: str, done: Callable[[str], None], is_wanted: Callable[[], bool]) -> None:
        try:
            command = editor_command()
            with tempfile.TemporaryDirectory(prefix="sandtui-edit-") as folder:
                path = Path(folder) / name
                await asyncio.to_thread(path.write_text, text, encoding="utf-8")
                if not is_wanted():
                    return
                code = await self.run([*command, str(path)])
                edited = await asyncio.to_thread(path.read_text, encoding="utf-8")
        except UnicodeDecodeError:
            self._notifier.notify("Not edited: the file is not valid UTF-8.", "error")
        except (OSError, TerminalLoanError) as error:
            self._notifier.notify(f"Not edited: {describe(error)}", "error")
        else:
            if code:
                reason = f"{command[0]} ended with exit code {code}; the text is unchanged."
                self._notifier.notify(reason, "warning")
            elif edited != text and is_wanted():
                done(edited)
