"""What gets into the clipboard, and what is said about it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Sequence
from typing import Any

from textual.app import App

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.clipboard_tools import helper
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work
from sandtui.ui.web_browser import encoded, open_page, opener

COPIES_KEPT = 5
HELPER_SECONDS = 5.0


class Clipboard:
    """Copies by the terminal (OSC 52) and, where there is one, by a tool of this machine."""

    def __init__(self, app: App[Any], work: Work, notifier: Notifier) -> None:
        self._app, self._work, self._notifier = app, work, notifier
        self.copied: deque[str] = deque(maxlen=COPIES_KEPT)
        """What was copied, newest first: a terminal never says whether it took it."""

    def copy(self, text: str) -> None:
        """Copy one line, and repeat it in the notice."""
        safe = clean(text)
        self._notifier.notify(f"Copied {safe} ({self._put(safe)}).")

    def copy_text(self, text: str) -> None:
        """Copy a text of several lines, without repeating it."""
        self._notifier.notify(f"Copied ({self._put(text)}).")

    def copy_lines(self, texts: Sequence[str], what: str) -> None:
        """Copy several texts, one a line; ``what`` names them."""
        how = self._put("\n".join(map(clean, texts)))
        self._notifier.notify(f"Copied {what} ({how}).")

    def open_url(self, url: str) -> None:
        """Open an address in a graphical browser, or copy it where there is none."""
        try:
            url = encoded(url)
        except ValueError as error:
            self._notifier.notify(f"{clean(url)} can't be opened: {error}.", "warning")
            return
        command = opener(os.environ)
        if command is not None:
            with contextlib.suppress(OSError):
                open_page(command, url)
                self._notifier.notify(f"{clean(url)} is opened in the browser.")
                return
        self._notifier.notify(f"No browser can be opened from here: {clean(url)} is copied ({self._put(url)}).")

    def _put(self, text: str) -> str:
        if text in self.copied:
            self.copied.remove(text)
        self.copied.appendleft(text)
        self._app.copy_to_clipboard(text)
        command = helper(os.environ)
        if command is None:
            return "by the terminal, if it allows OSC 52"
        self._work.start(_give(command, text), "helper")
        return f"by {command[0]} and the terminal"


async def _give(command: Sequence[str], text: str) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(HELPER_SECONDS):
            await process.communicate(text.encode())
