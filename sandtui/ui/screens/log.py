"""The log of one sandbox: follow, search, wrap, save."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.cells import chop_cells
from textual import events
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.log_text import LogText, find, split
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.messages import LogArrived
from sandtui.ui.render.text import Content, Piece
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.screens.dialogs.value import ValueDialog
from sandtui.ui.widgets.output_view import OutputView

FOLLOW_SECONDS = 3.0
"""Between fetches while the end is followed: the platform allows 300 a minute (wire.md 2.1), a person reads fewer."""


class LogScreen(AppScreen):
    """What the sandbox's start command printed, and what the platform noted."""

    SCOPE = "log"
    BINDINGS: ClassVar[list[BindingType]] = bindings("log")
    AUTO_FOCUS = "OutputView"

    def __init__(self, sandbox_id: str) -> None:
        super().__init__()
        self.sandbox_id = sandbox_id
        self._log = LogText()
        self._shown: list[str] = []
        self._wrap = False
        self._needle = ""
        self._state = "loading …"
        self._asked_at = 0.0

    def compose_body(self) -> Iterable[Widget]:
        """One view of lines."""
        with Vertical(id="log-panel", classes="panel"):
            yield OutputView(self._line, id="log")

    def crumbs(self) -> list[str]:
        """Fleet, the sandbox, its log."""
        return ["Fleet", self._title(), "Log"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell what is looked for, how much there is, and whether the end is followed."""
        left = [Piece(f"/{clean(self._needle)}  ", "key"), Piece("n next, N before", "dim")] if self._needle else []
        following = self.query_one(OutputView).following
        mode = Piece("● following  " if following else "‖ f follows  ", "good" if following else "dim")
        return left, [mode, Piece(self._state, "dim")]

    def on_mount(self) -> None:
        """Fetch the log."""
        super().on_mount()
        self.query_one("#log-panel").border_title = Content(f"{self._title()} · log")
        self.action_reload()

    def tick(self) -> None:
        """Fetch it again while its end is followed and somebody looks."""
        super().tick()
        due = self.bridge.clock.monotonic() - self._asked_at >= FOLLOW_SECONDS
        if due and self.app.screen is self and self.query_one(OutputView).following and not self._finished():
            self.action_reload()

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        super().on_resize(event)
        if self._wrap:
            self.call_after_refresh(self._draw)

    def on_log_arrived(self, message: LogArrived) -> None:
        """Show what came."""
        if message.error is not None:
            self._state = "not fetched"
            self.dashboard.say(f"The log could not be fetched: {message.error}", "error")
            self.query_one(OutputView).following = False
        else:
            self._log = LogText.of(message.lines)
            count = f"{len(self._log.lines):,} lines"
            self._state = f"first {self._log.dropped:,} left out · {count}" if self._log.dropped else count
            if not message.lines:
                self._state = "the log is empty"
            self._draw()
        self.update_chrome()

    def action_reload(self) -> None:
        """Fetch the log again."""
        self._asked_at = self.bridge.clock.monotonic()
        if self.bridge.session is not None:
            self.bridge.fetch_log(self, self.sandbox_id)

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.query_one(OutputView).follow()
        self.update_chrome()

    def action_wrap(self) -> None:
        """Cut long lines to the window, or not."""
        self._wrap = not self._wrap
        self._draw()

    def action_search(self) -> None:
        """Ask what to look for."""

        def answered(needle: str | None) -> None:
            if needle:
                self._needle = needle
                view = self.query_one(OutputView)
                view.refresh()
                self._go_to(find(self._shown, needle, view.cursor, 1))

        self.app.push_screen(ValueDialog("Search the log", "a text", "error", lambda text: "", self._needle), answered)

    def action_next_hit(self) -> None:
        """Go to the next line that holds it."""
        self._go_to(find(self._shown, self._needle, self.query_one(OutputView).cursor + 1, 1))

    def action_previous_hit(self) -> None:
        """Go to the line before that holds it."""
        self._go_to(find(self._shown, self._needle, self.query_one(OutputView).cursor - 1, -1))

    def action_copy(self) -> None:
        """Copy the line under the cursor."""
        line = self.query_one(OutputView).cursor
        if line < len(self._shown):
            self.dashboard.copy(self._shown[line])

    def action_save(self) -> None:
        """Write what was fetched to a file of this machine."""

        def answered(name: str | None) -> None:
            if name:
                text = "\n".join(self._log.lines) + "\n"
                self.bridge.write_file(Path(name).expanduser(), text, f"{len(self._log.lines):,} lines of the log")

        def check(name: str) -> str:
            return "a file is missing" if not name.strip() else ""

        self.app.push_screen(ValueDialog("Save the log", "a new file", "sandbox.log", check), answered)

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def _line(self, number: int) -> list[Piece]:
        parts = split(self._shown[number], self._needle)
        return [Piece(text, "key" if hit else "text") for text, hit in parts]

    def _go_to(self, line: int | None) -> None:
        if line is None:
            self.dashboard.say(f"{self._needle} is not in the log." if self._needle else "/ asks what to look for.")
        else:
            self.query_one(OutputView).go_to(line)
        self.update_chrome()

    def _draw(self) -> None:
        view = self.query_one(OutputView)
        width = max(10, view.size.width)
        self._shown = self._log.wrapped(width, chop_cells) if self._wrap else list(self._log.lines)
        view.show(len(self._shown))

    def _finished(self) -> bool:
        session = self.bridge.session
        row = session.store.get(self.sandbox_id) if session is not None else None
        return row is None or row.sandbox.is_finished

    def _title(self) -> str:
        session = self.bridge.session
        row = session.store.get(self.sandbox_id) if session is not None else None
        return clean(row.sandbox.name if row is not None else self.sandbox_id)
