"""The activity screen: actions and errors of this run and earlier ones, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.directories import describe
from sandtui.fleet.activity.entry import ActivityEntry, Kind
from sandtui.fleet.activity.requests import Request, curl_line
from sandtui.fleet.activity.subjects import sandboxes_of
from sandtui.fleet.load_state import LOADED, LOADING, failed
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.activity.requests_dialog import RequestsDialog
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Piece, Role, fit_middle, width_of
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_actions import SANDBOX_ACTIONS

WHAT = "activity"
NO_SANDBOX = "This entry is about no listed sandbox"

SIGNS: dict[Kind, tuple[str, Role]] = {
    "did": ("▸", "info"),
    "information": (" ", "text"),
    "warning": ("▲", "busy"),
    "error": ("✖", "bad"),
}


class ActivityScreen(AppScreen):
    """Lists the entries, with a filter."""

    SCOPE = "activity"
    BINDINGS: ClassVar[list[BindingType]] = bindings("activity")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.entries: list[ActivityEntry] = []
        self.load_state = LOADING
        for name in SANDBOX_ACTIONS:
            setattr(self, f"action_{name}", partial(self._act, name))

    def compose_body(self) -> Iterable[Widget]:
        yield Input(placeholder="filter entries", compact=True, id="activity-filter")
        with Vertical(id="activity-panel", classes="panel"):
            yield OutputView(self._line, follows=False, fits=True, id="activity-list")

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", "Activity"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the legend."""
        return [Piece("▸ action  ▲ warning  ✖ error", "dim")], []

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if action not in {"details", "copy", "copy_curl", *SANDBOX_ACTIONS}:
            return ""
        if self.entries:
            return self._why_not_sandbox() if action in SANDBOX_ACTIONS and action != "open_sandbox" else ""
        if reason := why_not_loaded(self.load_state, WHAT, self.services.key_of("activity.reload")):
            return reason
        if self.query_one(Input).value:
            return f"No matching entries: {self.services.key_of('activity.back')} clears the filter"
        return "No activity yet: actions and errors are listed here"

    def on_mount(self) -> None:
        show_frame(self.query_one("#activity-panel"), "Activity")
        self.query_one(OutputView).show(1)
        self._search("")

    def on_output_view_cursor_moved(self, _: OutputView.CursorMoved) -> None:
        self.update_chrome()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._search(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(OutputView).focus()

    def action_search(self) -> None:
        self.query_one(Input).focus()

    def action_reload(self) -> None:
        self.load_state = LOADING
        self.query_one(OutputView).refresh()
        self._search(self.query_one(Input).value)

    def action_copy(self) -> None:
        index = self.query_one(OutputView).cursor
        if index < len(self.entries):
            self.services.clipboard.copy(clean(self.entries[index].text))

    def action_details(self) -> None:
        self._with_requests(
            lambda entry, found: self.app.push_screen(
                RequestsDialog(entry, found, self.services.clock.now(), self.services.clipboard)
            )
        )

    def _act(self, name: str) -> None:
        """Act on the sandbox that the entry names; open the details of an entry that names none."""

        def act(entry: ActivityEntry, found: list[Request]) -> None:
            sandbox_ids = self._sandboxes(entry, found)
            if sandbox_ids:
                getattr(self.services.sandboxes, name)(sandbox_ids)
            elif name == "open_sandbox":
                self.action_details()
            else:
                self.services.notifier.refuse(NO_SANDBOX, name)

        self._with_requests(act)

    def _sandboxes(self, entry: ActivityEntry, found: Sequence[Request]) -> list[str]:
        session = self.services.platform.session
        return sandboxes_of(entry.text, found, session.store) if session is not None else []

    def refuses(self, action: str) -> bool:
        entry = self._current()
        if action not in SANDBOX_ACTIONS or entry is None or entry.requests:
            return False
        named = self._sandboxes(entry, ())
        return bool(named) and self.services.sandboxes.refuses(action, named)

    def _current(self) -> ActivityEntry | None:
        index = self.query_one(OutputView).cursor
        return self.entries[index] if index < len(self.entries) else None

    def _why_not_sandbox(self) -> str:
        entry = self._current()
        # Which sandboxes its requests were for is read when it is needed.
        return "" if entry is not None and (entry.requests or self._sandboxes(entry, ())) else NO_SANDBOX

    def action_copy_curl(self) -> None:
        """Copy the entry's last failed request, or else its last one, as curl."""

        def copy(entry: ActivityEntry, found: list[Request]) -> None:
            chosen = [request for request in found if request.failed] or found
            if chosen:
                self.services.clipboard.copy_text(curl_line(chosen[-1]))
            else:
                self.services.notifier.notify("No API request for this entry", "warning")

        self._with_requests(copy)

    def action_back(self) -> None:
        """Leave the filter, then clear it, then go back."""
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
                found, state = await asyncio.to_thread(self.services.notifier.activity.search, text), LOADED
            except OSError as error:
                found, state = [], failed(describe(error))
            if self.is_attached and self.query_one(Input).value == text:
                self.entries, self.load_state = found, state
                count = f" {len(found):,}" if state.is_loaded else ""
                show_frame(self.query_one("#activity-panel"), f"Activity{count}")
                self.query_one(OutputView).show(max(1, len(found)))
                self.update_chrome()

        self.run_flow(flow(), "activity")

    def _with_requests(self, then: Callable[[ActivityEntry, list[Request]], object]) -> None:
        index = self.query_one(OutputView).cursor
        if index >= len(self.entries):
            return
        entry = self.entries[index]

        async def flow() -> None:
            self.services.notifier.keep_requests()
            try:
                found = await asyncio.to_thread(self.services.notifier.activity.requests_of, entry)
            except OSError as error:
                self.services.notifier.notify(f"Can't read the requests: {describe(error)}", "warning")
            else:
                if self.app.screen is self:
                    then(entry, found)

        self.run_flow(flow(), "activity entry", exclusive=True)

    def _line(self, number: int) -> list[Piece]:
        if not self.entries:
            if unknown := load_pieces(self.load_state, WHAT, self.services.key_of("activity.reload")):
                return [] if number else unknown
            text = (
                f"No matches: {self.services.key_of('activity.back')} clears the filter"
                if self.query_one(Input).value
                else "No activity yet"
            )
            return [Piece(f" {text}", "dim")]
        if number >= len(self.entries):
            return []
        entry = self.entries[number]
        sign, role = SIGNS.get(entry.kind, (" ", "text"))
        moment = entry.moment.astimezone()
        today = moment.date() == self.services.clock.now().astimezone().date()
        shown = f"{moment:%H:%M:%S}" if today else f"{moment:%b %d %H:%M}"
        requests = f"  {entry.requests:,} request{'s' * (entry.requests > 1)}" if entry.requests else ""
        start, text = f" {shown:<13}", clean(entry.text).replace("\n", " ")
        room = self.query_one(OutputView).size.width - len(start) - 2 - len(requests)
        # The details have all of it.
        text = fit_middle(text, room) if width_of(text) > room > 0 else text
        return [Piece(start, "dim"), Piece(f"{sign} ", role), Piece(text, role), Piece(requests, "dim")]
