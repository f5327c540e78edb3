"""Copying to the clipboard, with notifications."""

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
from sandtui.ui.services.web_page import WebPage
from sandtui.ui.services.work import Work
from sandtui.ui.web_browser import encoded, open_page, opener

COPIES_KEPT = 5
HELPER_SECONDS = 5.0


class Clipboard:
    """Copies through the terminal (OSC 52) and, where available, with a local tool."""

    def __init__(self, app: App[Any], work: Work, notifier: Notifier, page: WebPage) -> None:
        self._app, self._work, self._notifier, self._page = app, work, notifier, page
        self.copied: deque[str] = deque(maxlen=COPIES_KEPT)
        """Copied texts, newest first: a terminal never confirms a copy."""

    def copy(self, text: str) -> None:
        """Copy one line, and repeat it in the notification."""
        safe = clean(text)
        self._notifier.notify(f"Copied {safe} ({self._put(safe)}).")

    def copy_text(self, text: str) -> None:
        """Copy a text of several lines, without repeating it."""
        self._notifier.notify(f"Copied ({self._put(text)})")

    def copy_lines(self, texts: Sequence[str], what: str) -> None:
        """Copy several texts, one per line; ``what`` describes them."""
        how = self._put("\n".join(map(clean, texts)))
        self._notifier.notify(f"Copied {what} ({how}).")

    def open_url(self, url: str) -> None:
        """Open a URL in a browser, or copy it when there is none."""
        try:
            url = encoded(url)
        except ValueError as error:
            self._notifier.notify(f"Can't open {clean(url)}: {error}", "warning")
            return
        if self._page.is_shown:
            self._page.open_url(url)
            self._notifier.notify(f"Opened {clean(url)} in another tab")
            return
        command = opener(os.environ)
        if command is not None:
            with contextlib.suppress(OSError):
                open_page(command, url)
                self._notifier.notify(f"Opened {clean(url)} in the browser")
                return
        self._notifier.notify(f"No browser found; URL copied ({self._put(url)}): {clean(url)}")

    def _put(self, text: str) -> str:
        if text in self.copied:
            self.copied.remove(text)
        self.copied.appendleft(text)
        self._app.copy_to_clipboard(text)
        if self._page.is_shown:
            return "via the browser"
        command = helper(os.environ)
        if command is None:
            return "via OSC 52"
        self._work.start(_give(command, text), "helper")
        return f"via {command[0]} and OSC 52"


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
