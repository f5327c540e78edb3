"""What the user is told: at once, in the list of messages, and in the activity that is kept between runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import App

from sandtui.fleet.activity.trace import current_trace, following
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.tracing import LOG

if TYPE_CHECKING:
    from datetime import datetime

    from sandtui.fleet.activity.entry import Activity, Kind
    from sandtui.fleet.activity.requests import RequestBook
    from sandtui.ui.chrome.screen import Severity
    from sandtui.ui.connection.bridge import Bridge
    from sandtui.ui.connection.messages import BulkFinished, DeleteFinished, FileWritten, LabelsCounted
    from sandtui.ui.inventory.bulk_flow import BulkFlow

MESSAGES_KEPT = 500
SIGNS: dict[Severity, str] = {"information": "", "warning": "▲ ", "error": "✖ "}


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said to the user."""

    moment: datetime
    text: str
    severity: Severity


class Telling(App[None]):
    """The part of the app that tells the user what happened."""

    bridge: Bridge
    bulk: BulkFlow
    kept: Activity
    requests: RequestBook

    def __init__(self) -> None:
        super().__init__()
        self.messages: deque[Said] = deque(maxlen=MESSAGES_KEPT)

    def say(self, text: str, severity: Severity = "information") -> None:
        """Tell the user something, and keep it for the list of messages."""
        safe = clean(text)
        self.messages.append(Said(self.bridge.clock.now(), safe, severity))
        self.note(severity, safe)
        # The sign says how bad it is where colours can't.
        self.notify(SIGNS[severity] + safe, severity=severity, markup=False, timeout=10 if severity == "error" else 5)

    def refuse(self, reason: str, title: str = "Not possible") -> None:
        """Say why something can't be done, where a question or a form would have opened.

        What was typed for that ends in the refusal.

        ``title`` is what was asked for.
        """
        from sandtui.ui.dialogs.refusal import RefusalDialog

        safe = clean(reason)
        self.messages.append(Said(self.bridge.clock.now(), safe, "warning"))
        self.note("warning", safe)
        self.push_screen(RefusalDialog(title.capitalize(), safe))

    def note(self, kind: Kind, text: str) -> None:
        """Keep what was done or said for later runs, without secrets."""
        from sandtui.fleet.activity.entry import Entry

        LOG.info("%s: %s", kind, text)
        connection = self.bridge.connection
        label, secrets = (connection.label, [connection.config.api_key]) if connection is not None else ("", [])
        trace = current_trace()
        if trace is not None:
            self.requests.want(trace)
        self.kept.add(Entry(self.bridge.clock.now(), label, kind, text, trace.id if trace is not None else ""), secrets)

    def keep_requests(self) -> None:
        """Keep what is known by now of the requests behind entries."""
        self.kept.keep_traces(self.requests.take_changed())

    def desktop_notify(self, text: str) -> None:
        """Ask the terminal to show a notification of the desktop (OSC 9); one that can't ignores it."""
        if self._driver is not None:
            # The driver's own queue: written past it, the sequence could land inside another one.
            self._driver.write(f"\x1b]9;sandtui: {clean(text)[:200]}\x07")

    def on_delete_finished(self, message: DeleteFinished) -> None:
        """Tell what came of a deletion."""
        with following(message.trace):
            self._tell_deleted(message)

    def _tell_deleted(self, message: DeleteFinished) -> None:
        deleted, failed = message.outcome.deleted, message.outcome.failed
        if deleted:
            names = ", ".join(message.names.get(sandbox_id, sandbox_id) for sandbox_id in deleted[:3])
            more = f" and {len(deleted) - 3} more" if len(deleted) > 3 else ""
            self.say(f"Deleted {names}{more}.")
        for sandbox_id, reason in list(failed.items())[:3]:
            self.say(f"{message.names.get(sandbox_id, sandbox_id)} was not deleted: {reason}", "error")
        if len(failed) > 3:
            self.say(f"{len(failed) - 3} more could not be deleted.", "error")

    def on_bulk_finished(self, message: BulkFinished) -> None:
        """Tell what came of work on many, when nobody looks at it."""
        with following(message.trace):
            self.bulk.tell(message.run)

    def on_labels_counted(self, message: LabelsCounted) -> None:
        """Go on with a deletion by label."""
        with following(message.trace):
            self.bulk.labels_counted(message)

    def on_file_written(self, message: FileWritten) -> None:
        """Tell where something was written, or why not."""
        if message.problem:
            self.say(f"{message.path} was not written: {message.problem}", "error")
        else:
            self.say(f"{message.what} written to {message.path}.")
