"""Leaving the program: what would end with it, the question before, and ctrl+c pressed twice."""

from __future__ import annotations

import logging
from typing import Any

from textual.app import App

from sandtui.clock import Clock
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.services.launches import Launches
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection
from sandtui.ui.services.transfers import Transfers
from sandtui.ui.services.work import Work

LOG = logging.getLogger("sandtui.ui")

ENDED_WITH_CONNECTION = {
    "console": "a command",
    "fan-out": "a multi-sandbox run",
    "shells": "a shell",
    "bulk": "a bulk action",
    "job": "a job being started",
    "delete": "a deletion",
}
"""Descriptions of work that ends with the connection, by the first word of its group."""

TWICE_SECONDS = 2.0
"""How soon the second ctrl+c must follow the first."""


class RunningWork:
    """What the user started and what ends when the connection is left."""

    def __init__(self, work: Work, platform: PlatformConnection, launches: Launches, transfers: Transfers) -> None:
        self._work, self._platform = work, platform
        self._launches, self._transfers = launches, transfers

    def described(self) -> list[str]:
        """Return a phrase for each kind of work, such as ``a shell``; sandboxes and their jobs keep running."""
        groups = self._work.groups
        phrases = [text for group, text in ENDED_WITH_CONNECTION.items() if group in groups]
        if self._launches.running:
            phrases.insert(0, "a launch (can be resumed)")
        queue = self._transfers.queue
        if queue is not None and not queue.is_idle:
            phrases.append("transfers (offered again later)")
        session = self._platform.session
        forwards = len(session.forwards.active) if session is not None else 0
        if forwards:
            phrases.append("a port forward" if forwards == 1 else f"{forwards} port forwards")
        return phrases


class Quitting:
    """Quits at once if nothing of the user's runs, otherwise after a question."""

    def __init__(self, app: App[Any], clock: Clock, running: RunningWork, notifier: Notifier, key_of: KeyOf) -> None:
        self._app, self._clock, self._notifier = app, clock, notifier
        self.running = running
        self._key_of = key_of
        self._interrupted_at: float | None = None

    def ask(self) -> None:
        """Quit, after a question if something would end."""
        phrases = self.running.described()
        if not phrases:
            self._leave()
            return

        def on_result(sure: bool | None) -> None:
            if sure:
                self._leave()

        question = f"Still running, and stopped by quitting: {', '.join(phrases)}. Sandboxes keep running."
        self._app.push_screen(AskDialog("Quit sandtui?", question, "Quit"), on_result)

    def _leave(self) -> None:
        LOG.info("asked to quit")
        self._app.exit()

    def interrupt(self) -> None:
        """Quit if this is the second interrupt in a row; otherwise say so."""
        now = self._clock.monotonic()
        if self._interrupted_at is not None and now - self._interrupted_at <= TWICE_SECONDS:
            self._leave()
            return
        self._interrupted_at = now
        self._notifier.notify(f"Press ctrl+c again to quit ({self._key_of('app.quit')} quits at once)")
