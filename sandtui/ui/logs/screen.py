"""The logs screen: logs of several sandboxes side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from sandtui.fleet.activity.trace import following
from sandtui.fleet.text.log_lines import LogLook, arrange
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.search import Lines
from sandtui.saving import write_new
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.new_file import ask_new_file
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import LogArrived
from sandtui.ui.rendering.loading import why_not_loaded
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.log_pane import LogPane

FOLLOW_SECONDS = 3.0
"""Refresh interval of a visible log: the platform allows 300 requests per minute (client/WIRE.md 2.1)."""

MOST_LOGS = 16
LONG = 5_000
"""Number of lines above which a log is laid out in a thread."""

_LAYOUTS = {1: "", 2: "-two", 3: "-three", 4: "-four"}


class LogScreen(AppScreen):
    """Shows up to four logs at once, two in a narrow window: output of start commands and notes of the platform.

    With more logs than fit, moving the focus scrolls to the next ones.
    """

    SCOPE = "log"
    BINDINGS: ClassVar[list[BindingType]] = bindings("log")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services, sandbox_ids: Sequence[str]) -> None:
        super().__init__(services)
        self.sandbox_ids = tuple(sandbox_ids)
        self._alone = False
        self._current = 0

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="logs"):
            for sandbox_id in self.sandbox_ids:
                yield LogPane(sandbox_id, self._title(sandbox_id), self.services.key_of("log.reload"))

    @property
    def panes(self) -> list[LogPane]:
        """All panes."""
        return list(self.query(LogPane))

    @property
    def pane(self) -> LogPane:
        """The focused pane."""
        return self.panes[self._current]

    @property
    def in_view(self) -> list[LogPane]:
        """The panes that fit."""
        room = 1 if self._alone or self.size.width < 80 else 2 if self.size.width < 120 else 4
        first = self._current // room * room
        return self.panes[first : first + room]

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        if len(self.sandbox_ids) > 1:
            return ["Fleet", f"Logs ({len(self.sandbox_ids)})"]
        return ["Fleet", self._title(self.sandbox_ids[0]), "Log"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line: search, filter and visible logs."""
        pane, key = self.pane, self.services.key_of
        left = self._search_of(pane).status()
        if pane.look.only:
            left += [
                Piece("filter: ", "dim"),
                Piece(f"{clean(pane.look.only)}  ", "key"),
                Piece(f"{key('log.filter')} to show all", "dim"),
            ]
        index = f"{self._current + 1} of {len(self.sandbox_ids)}  " if len(self.sandbox_ids) > 1 else ""
        following = pane.view.following
        mode = Piece(
            "● following" if following else f"‖ paused ({key('log.follow')} to follow)", "good" if following else "dim"
        )
        wrapped = Piece("wrap  " if pane.view.wrap else "", "dim")
        return left, [Piece(index, "dim"), wrapped, mode]

    def on_mount(self) -> None:
        self._arrange_panes()

    def tick(self) -> None:
        """Refresh the visible logs that are followed."""
        super().tick()
        if self.app.screen is self:
            self._fetch_due()

    def on_resize(self, _: events.Resize) -> None:
        self._arrange_panes()

    def on_output_view_following_changed(self) -> None:
        self.update_chrome()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for index, pane in enumerate(self.panes):
            if event.widget in pane.walk_children():
                self._current = index

    def on_log_arrived(self, message: LogArrived) -> None:
        pane = next((pane for pane in self.panes if pane.sandbox_id == message.sandbox_id), None)
        if pane is None:
            return
        if message.error is not None:
            pane.fail(str(message.error))
            with following(message.trace):
                self.services.notifier.notify(f"Log of {pane.title} not loaded: {message.error}", "error")
        elif pane.take(message.lines):
            self._arrange(pane)
        self.update_chrome()

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if action in {"next_log", "previous_log", "single"} and len(self.sandbox_ids) == 1:
            mark, logs = self.services.key_of("fleet.mark"), self.services.key_of("fleet.logs")
            return f"Only one log is open: mark more sandboxes in the fleet ({mark}), then press {logs}"
        if action in {"copy", "save"} and not self.pane.shown and not self.get_selected_text():
            return why_not_loaded(self.pane.load_state, "log", self.services.key_of("log.reload")) or "The log is empty"
        return ""

    def action_reload(self) -> None:
        self._fetch(self.pane)
        self.services.notifier.notify(f"Reloading the log of {self.pane.title} …")

    def action_follow(self) -> None:
        pane = self.pane
        if pane.view.following:
            pane.view.pause()
        else:
            pane.view.follow()

    def action_wrap(self) -> None:
        self.pane.view.wrap = not self.pane.view.wrap
        self.update_chrome()

    def action_stamps(self) -> None:
        if self.pane.look.stamps and not self.pane.has_stamps:
            self.services.notifier.notify("The lines of this log have no timestamps")
        else:
            self._look(replace(self.pane.look, stamps=not self.pane.look.stamps))

    def action_filter(self) -> None:
        pane = self.pane
        if pane.look.only:
            self._look(replace(pane.look, only=""))
            return

        def on_result(text: str | None) -> None:
            if text:
                self._look(replace(pane.look, only=text))

        self.app.push_screen(ValueDialog("Filter lines", "text, or !text to exclude", "error", _any), on_result)

    def action_search(self) -> None:
        self._search_of(self.pane).ask()

    def action_next_hit(self) -> None:
        self._search_of(self.pane).go(1)

    def action_previous_hit(self) -> None:
        self._search_of(self.pane).go(-1)

    def action_next_log(self) -> None:
        self._go_to_log(1)

    def action_previous_log(self) -> None:
        self._go_to_log(-1)

    def action_single(self) -> None:
        self._alone = not self._alone
        self._arrange_panes()

    def action_copy(self) -> None:
        pane, selected = self.pane, self.get_selected_text()
        if selected:
            self.services.clipboard.copy_text(selected)
        elif pane.view.cursor < len(pane.shown):
            self.services.clipboard.copy(pane.shown[pane.view.cursor])

    def action_save(self) -> None:
        """Save the shown lines, unwrapped, to a local file."""
        pane = self.pane
        text, look = pane.text, pane.look

        def save(path: Path) -> None:
            def write() -> str:
                lines = arrange(text, look)
                write_new(path, (f"{line}\n" for line in lines))
                return f"{len(lines):,} lines of the log"

            self.services.files.save(path, write)

        ask_new_file(self.app, "Save log", "sandbox.log", save)

    def action_back(self) -> None:
        self.app.pop_screen()

    def _look(self, look: LogLook) -> None:
        """Change how the focused log is displayed; the cursor stays on its line if possible."""
        self.pane.look = look
        self._arrange(self.pane)
        self.update_chrome()

    def _search_of(self, pane: LogPane) -> SearchControl:
        """Return the search of one log: each keeps what is searched for in it."""
        return SearchControl(self, self.services, "log", "Search log", lambda: self._searched(pane), pane.search)

    def _searched(self, pane: LogPane) -> Searched:
        view = pane.view

        def redraw() -> None:
            view.refresh()
            pane.note_end()
            self.update_chrome()

        return Searched(
            Lines.of(len(pane.shown), lambda line: pane.shown[line]),
            view.cursor,
            view.following,
            lambda line: view.go_to_text(line, pane.search.needle),
            redraw,
        )

    def _go_to_log(self, step: int) -> None:
        self._current = (self._current + step) % len(self.sandbox_ids)
        self._arrange_panes()

    def _arrange_panes(self) -> None:
        """Show the logs that fit, including the focused one."""
        if not self.is_mounted or not self.panes:
            return
        in_view = self.in_view
        for pane in self.panes:
            pane.display = pane in in_view
            pane.set_class(pane is in_view[-1], "-last")
        self.query_one("#logs").set_classes(_LAYOUTS[len(in_view)])
        self.pane.view.focus()
        self._fetch_due()
        self.update_chrome()

    def _fetch_due(self) -> None:
        now = self.services.clock.monotonic()
        for pane in self.in_view:
            fresh = pane.asked_at is None
            if fresh or (now - (pane.asked_at or 0.0) >= FOLLOW_SECONDS and not self._finished(pane.sandbox_id)):
                self._fetch(pane)

    def _fetch(self, pane: LogPane) -> None:
        pane.asked_at = self.services.clock.monotonic()
        pane.begin()
        if self.services.platform.session is not None:
            self.services.platform.fetch_log(self, pane.sandbox_id)

    def _arrange(self, pane: LogPane) -> None:
        if len(pane.text.lines) <= LONG:
            pane.show(arrange(pane.text, pane.look))
        elif not pane.arranging:
            pane.arranging = True
            self.run_flow(self._arrange_long(pane), f"log lines {pane.sandbox_id}")

    async def _arrange_long(self, pane: LogPane) -> None:
        """Lay out a long log in a thread, again if it or its options changed meanwhile."""
        try:
            while pane.is_mounted:
                text, look = pane.text, pane.look
                shown = await asyncio.to_thread(arrange, text, look)
                if text is pane.text and look == pane.look:
                    pane.show(shown)
                    return
        finally:
            pane.arranging = False

    def _finished(self, sandbox_id: str) -> bool:
        session = self.services.platform.session
        row = session.store.get(sandbox_id) if session is not None else None
        return row is None or row.sandbox.is_finished

    def _title(self, sandbox_id: str) -> str:
        session = self.services.platform.session
        row = session.store.get(sandbox_id) if session is not None else None
        return clean(row.sandbox.name if row is not None else sandbox_id)


def _any(_: str) -> str:
    return ""
