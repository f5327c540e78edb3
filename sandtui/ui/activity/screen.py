"""What was done and what went wrong, of this run and those before, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.directories import describe
from sandtui.fleet.activity.entry import Entry, Kind
from sandtui.fleet.activity.requests import Request, curl_line
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.activity.requests_dialog import RequestsDialog
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.text import Content, Piece, Role
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

SIGNS: dict[Kind, tuple[str, Role]] = {
    "did": ("▸", "info"),
    "information": (" ", "text"),
    "warning": ("▲", "busy"),
    "error": ("✖", "bad"),
}


class ActivityScreen(AppScreen):
    """The list and a field to narrow it."""

    SCOPE = "activity"
    BINDINGS: ClassVar[list[BindingType]] = bindings("activity")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.entries: list[Entry] = []
        self._problem = ""

    def compose_body(self) -> Iterable[Widget]:
        yield Input(placeholder="words that a line holds", compact=True, id="activity-filter")
        with Vertical(id="activity-panel", classes="panel"):
            yield OutputView(self._line, follows=False, id="activity-list")

    def crumbs(self) -> list[str]:
        """Fleet, activity."""
        return ["Fleet", "Activity"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell what is under the cursor in full, for a line may be too short for it."""
        if self._problem:
            return [Piece(f"✖ {clean(self._problem)}", "bad")], []
        return [Piece("▸ asked for  ▲ warning  ✖ went wrong", "dim")], []

    def why_not(self, action: str) -> str:
        """Return that there is no entry to do something with."""
        if action not in {"open", "copy", "copy_curl"} or self.entries:
            return ""
        if self.query_one(Input).value:
            return f"No entry matches: {self.services.key_of('activity.back')} clears the filter."
        return "There is no entry yet: what you do and what goes wrong is listed here."

    def on_mount(self) -> None:
        self._search("")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._search(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(OutputView).focus()

    def action_search(self) -> None:
        self.query_one(Input).focus()

    def action_copy(self) -> None:
        place = self.query_one(OutputView).cursor
        if place < len(self.entries):
            self.services.clipboard.copy(clean(self.entries[place].text))

    def action_open(self) -> None:
        self._with_requests(
            lambda entry, found: self.app.push_screen(
                RequestsDialog(entry, found, self.services.clock.now(), self.services.clipboard)
            )
        )

    def action_copy_curl(self) -> None:
        """Copy the request behind the entry: the last that failed, or the last."""

        def copy(entry: Entry, found: list[Request]) -> None:
            chosen = [request for request in found if request.failed] or found
            if chosen:
                self.services.clipboard.copy_text(curl_line(chosen[-1]))
            else:
                self.services.notifier.notify("No request stands behind this line.", "warning")

        self._with_requests(copy)

    def action_back(self) -> None:
        """Undo one step: leave the field, empty it, leave."""
        field = self.query_one(Input)
        if field.has_focus:
            self.query_one(OutputView).focus()
        elif field.value:
            field.value = ""
        else:
            self.app.pop_screen()

    def _search(self, text: str) -> None:
        async def flow() -> None:
            self.services.notifier.keep_requests()
            try:
                found, problem = await asyncio.to_thread(self.services.notifier.activity.search, text), ""
            except OSError as error:
                found, problem = [], describe(error)
            if self.is_attached and self.query_one(Input).value == text:
                self.entries, self._problem = found, problem
                self.query_one("#activity-panel").border_title = Content(f"Activity {len(found):,}")
                self.query_one(OutputView).show(max(1, len(found)))
                self.update_chrome()

        self.run_flow(flow(), "activity")

    def _with_requests(self, then: Callable[[Entry, list[Request]], object]) -> None:
        place = self.query_one(OutputView).cursor
        if place >= len(self.entries):
            return
        entry = self.entries[place]

        async def flow() -> None:
            self.services.notifier.keep_requests()
            try:
                found = await asyncio.to_thread(self.services.notifier.activity.requests_of, entry)
            except OSError as error:
                self.services.notifier.notify(f"The requests can't be read: {describe(error)}", "warning")
            else:
                if self.app.screen is self:
                    then(entry, found)

        self.run_flow(flow(), "activity entry", exclusive=True)

    def _line(self, number: int) -> list[Piece]:
        if not self.entries:
            words = (
                f"Nothing matches: {self.services.key_of('activity.back')} empties the field."
                if self.query_one(Input).value
                else "Nothing yet."
            )
            return [Piece(f" {words}", "dim")]
        if number >= len(self.entries):
            return []
        entry = self.entries[number]
        sign, role = SIGNS.get(entry.kind, (" ", "text"))
        moment = entry.moment.astimezone()
        today = moment.date() == self.services.clock.now().astimezone().date()
        shown = f"{moment:%H:%M:%S}" if today else f"{moment:%b %d %H:%M}"
        requests = f"  {entry.requests:,} request{'s' * (entry.requests > 1)}" if entry.requests else ""
        return [
            Piece(f" {shown:<13}", "dim"),
            Piece(f"{sign} ", role),
            Piece(clean(entry.text), role),
            Piece(requests, "dim"),
        ]
