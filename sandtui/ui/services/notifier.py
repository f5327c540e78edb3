"""Notifications, also stored in the activity log."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from textual.app import App

from sandtui.clock import Clock
from sandtui.fleet.activity.entry import Activity, ActivityEntry, Kind
from sandtui.fleet.activity.requests import RequestBook, Trace
from sandtui.fleet.activity.trace import current_trace, following
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.dialogs.refusal import RefusalDialog
from sandtui.ui.rendering.text import sentence_case

LOG = logging.getLogger("sandtui.ui")

Severity = Literal["information", "warning", "error"]

MESSAGES_KEPT = 500
SIGNS: dict[Severity, str] = {"information": "", "warning": "▲ ", "error": "✖ "}
SECONDS: dict[Severity, float] = {"information": 5, "warning": 5, "error": 10}
LETTERS_A_SECOND = 15
"""How fast a notification is read."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to the user."""

    moment: datetime
    text: str
    severity: Severity


class Notifier:
    """Notifies the user. Texts may come from outside: they are cleaned here."""

    def __init__(self, app: App[Any], clock: Clock, activity: Activity, requests: RequestBook) -> None:
        self._app, self._clock = app, clock
        self.announced: Signal[[str, bool]] = Signal()
        """Sent with each notification and refusal, and whether it is an error."""
        self.activity, self.requests = activity, requests
        self.messages: deque[Notice] = deque(maxlen=MESSAGES_KEPT)
        self.context = ""
        """The label of the current platform, for entries."""
        self.secrets: list[str] = []
        """Secrets that are redacted in entries, such as the API key."""

    def notify(self, text: str, severity: Severity = "information") -> None:
        """Show a notification for some seconds, and add it to the activity log."""
        safe = self._keep(text, severity)
        # A long text takes a while to read.
        seconds = max(SECONDS[severity], len(safe) / LETTERS_A_SECOND)
        self.announced(safe, severity == "error")
        # The sign shows the severity without colors.
        self._app.notify(SIGNS[severity] + safe, severity=severity, markup=False, timeout=seconds)

    def refuse(self, reason: str, title: str = "Not possible") -> None:
        """Show why something is not possible, where a dialog would have opened.

        Keys typed ahead for that dialog are dropped. ``title`` names the action.
        """
        safe = self._keep(reason, "warning")
        self.announced(safe, False)
        self._app.push_screen(RefusalDialog(sentence_case(title), safe))

    def note(self, kind: Kind, text: str) -> None:
        """Add an entry to the activity log, redacted, without a notification."""
        LOG.info("%s: %s", kind, text)
        trace = current_trace()
        if trace is not None:
            self.requests.want(trace)
        trace_id = trace.id if trace is not None else ""
        self.activity.add(ActivityEntry(self._clock.now(), self.context, kind, text, trace_id), self.secrets)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Log an action of the user; requests made inside the block belong to its entry."""
        with following(Trace()):
            self.note("did", text)
            yield

    def keep_requests(self) -> None:
        """Store the requests of entries recorded so far."""
        self.activity.keep_traces(self.requests.take_changed())

    def notify_desktop(self, text: str) -> None:
        """Show a desktop notification through the terminal (OSC 9); unsupported terminals ignore it."""
        if self._app._driver is not None:
            # Through the driver's queue: written directly, the sequence could end up inside another one.
            self._app._driver.write(f"\x1b]9;sandtui: {clean(text)[:200]}\x07")

    def bell(self) -> None:
        """Ring the terminal's bell."""
        self._app.bell()

    def _keep(self, text: str, severity: Severity) -> str:
        safe = clean(text)
        self.messages.append(Notice(self._clock.now(), safe, severity))
        self.note(severity, safe)
        return safe
