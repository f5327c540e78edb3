"""What gets into the clipboard, and what is said about it."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

from textual.app import App

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.clipboard_tools import helper
from sandtui.ui.web_browser import encoded, open_page, opener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandtui.fleet.inventory.row import Row
    from sandtui.ui.chrome.screen import Severity
    from sandtui.ui.connection.bridge import Bridge

COPIES_KEPT = 5
COPY_SHOWN = 36


class Copying(App[None]):
    """The part of the app that copies."""

    bridge: Bridge

    def __init__(self) -> None:
        super().__init__()
        self.copied: deque[str] = deque(maxlen=COPIES_KEPT)
        """What was copied, newest first: a terminal never says whether it took it."""

    def say(self, text: str, severity: Severity = "information") -> None:
        """Tell the user something."""
        raise NotImplementedError

    def copy(self, text: str) -> None:
        """Copy a text to the clipboard."""
        safe = clean(text)
        self.say(f"Copied {safe} ({self._put_in_clipboard(safe)}).")

    def copy_quietly(self, text: str) -> None:
        """Copy a text of several lines to the clipboard, without repeating it."""
        self.say(f"Copied ({self._put_in_clipboard(text)}).")

    def copy_lines(self, texts: Sequence[str], what: str) -> None:
        """Copy several texts, one a line; ``what`` names them."""
        how = self._put_in_clipboard("\n".join(map(clean, texts)))
        self.say(f"Copied {what} ({how}).")

    def choose_copy(self, row: Row) -> None:
        """Ask what of a sandbox to copy, or again of what was copied before."""
        from sandtui.fleet.inventory.snippet import attach_script, description
        from sandtui.ui.dialogs.choose import Choice, ChooseDialog

        session = self.bridge.session
        ports = session.exposures.get(row.id, []) if session is not None else []
        offers = {"id": row.id, "name": row.sandbox.name, "image": row.sandbox.docker_image}
        offers |= {f"url of {port.port}": port.url or port.external_endpoint or "" for port in ports}
        offers |= {"SDK script": attach_script(row.sandbox), "description": description(row.sandbox)}
        offers |= {f"again {place}": text for place, text in enumerate(self.copied, 1)}
        choices = [
            Choice(name, str(place) if place < 10 else "", name, text.strip().replace("\n", " ")[:COPY_SHOWN])
            for place, (name, text) in enumerate(offers.items(), 1)
        ]

        def chosen(name: str | None) -> None:
            if name:
                self.copy_quietly(offers[name])

        self.push_screen(ChooseDialog(f"Copy of {row.sandbox.name}", choices), chosen)

    def open_web_page(self, sandbox_id: str) -> None:
        """Open the platform's web page, with the id ready to be pasted: a single sandbox has no documented address."""
        connection = self.bridge.connection
        page = connection.config.frontend_url if connection is not None else None
        if page is None:
            self.say("No web page of this platform is known; PRIME_FRONTEND_URL may name one.", "warning")
            return
        self.copy_quietly(clean(sandbox_id))
        self.open_url(page)

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Open an address in a graphical browser, or copy it where there is none."""
        try:
            url = encoded(url)
        except ValueError as error:
            self.say(f"{clean(url)} can't be opened: {error}.", "warning")
            return
        command = opener(os.environ)
        if command is not None:
            with contextlib.suppress(OSError):
                open_page(command, url)
                self.say(f"{clean(url)} is opened in the browser.")
                return
        self.say(f"No browser can be opened from here: {clean(url)} is copied ({self._put_in_clipboard(url)}).")

    def _put_in_clipboard(self, text: str) -> str:
        if text in self.copied:
            self.copied.remove(text)
        self.copied.appendleft(text)
        self.copy_to_clipboard(text)
        command = helper(os.environ)
        if command is None:
            return "by the terminal, if it allows OSC 52"
        self.bridge.run_helper(command, text)
        return f"by {command[0]} and the terminal"
