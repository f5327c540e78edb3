"""What the user is told: at once, in the list of messages, and in the activity that is kept between runs."""

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
from sandtui.fleet.activity.entry import Activity, Entry, Kind
from sandtui.fleet.activity.requests import RequestBook, Trace
from sandtui.fleet.activity.trace import current_trace, following
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.dialogs.refusal import RefusalDialog

LOG = logging.getLogger("sandtui.ui")

Severity = Literal["information", "warning", "error"]

MESSAGES_KEPT = 500
SIGNS: dict[Severity, str] = {"information": "", "warning": "▲ ", "error": "✖ "}
SECONDS: dict[Severity, float] = {"information": 5, "warning": 5, "error": 10}


@dataclass(frozen=True, slots=True)
class Said:
    """A message to the user."""

    moment: datetime
    text: str
    severity: Severity


class Notifier:
    """Tells the user what happened. All text may come from outside: it is cleaned here."""

    def __init__(self, app: App[Any], clock: Clock, activity: Activity, requests: RequestBook) -> None:
        self._app, self._clock = app, clock
        self.activity, self.requests = activity, requests
        self.messages: deque[Said] = deque(maxlen=MESSAGES_KEPT)
        self.context = ""
        """The label of the platform that entries are about."""
        self.secrets: list[str] = []
        """What never gets into an entry, such as the key of the connection."""

    def notify(self, text: str, severity: Severity = "information") -> None:
        """Show a notice for some seconds, and keep it for the list of messages."""
        safe = self._keep(text, severity)
        # The sign says how bad it is where colours can't.
        self._app.notify(SIGNS[severity] + safe, severity=severity, markup=False, timeout=SECONDS[severity])

    def refuse(self, reason: str, title: str = "Not possible") -> None:
        """Say why something can't be done, where a question or a form would have opened.

        What was typed for that ends in the refusal. ``title`` is what was asked for.
        """
        self._app.push_screen(RefusalDialog(title.capitalize(), self._keep(reason, "warning")))

    def note(self, kind: Kind, text: str) -> None:
        """Write an entry of the activity, without secrets and without a notice."""
        LOG.info("%s: %s", kind, text)
        trace = current_trace()
        if trace is not None:
            self.requests.want(trace)
        trace_id = trace.id if trace is not None else ""
        self.activity.add(Entry(self._clock.now(), self.context, kind, text, trace_id), self.secrets)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Note what the user asked for; the requests of what is started inside stand behind that entry."""
        with following(Trace()):
            self.note("did", text)
            yield

    def keep_requests(self) -> None:
        """Write down what is known by now of the requests behind entries."""
        self.activity.keep_traces(self.requests.take_changed())

    def notify_desktop(self, text: str) -> None:
        """Ask the terminal to show a notification of the desktop (OSC 9); one that can't ignores it."""
        if self._app._driver is not None:
            # The driver's own queue: written past it, the sequence could land inside another one.
            self._app._driver.write(f"\x1b]9;sandtui: {clean(text)[:200]}\x07")

    def bell(self) -> None:
        """Ring the terminal's bell."""
        self._app.bell()

    def _keep(self, text: str, severity: Severity) -> str:
        safe = clean(text)
        self.messages.append(Said(self._clock.now(), safe, severity))
        self.note(severity, safe)
        return safe
