"""The log of one sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.messages import LogArrived
from sandtui.ui.render.text import Content, Piece
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.widgets.output_view import OutputView


class LogScreen(AppScreen):
    """What the sandbox's start command printed, and what the platform noted."""

    SCOPE = "log"
    BINDINGS: ClassVar[list[BindingType]] = bindings("log")
    AUTO_FOCUS = "OutputView"

    def __init__(self, sandbox_id: str) -> None:
        super().__init__()
        self.sandbox_id = sandbox_id
        self._lines: list[str] = []
        self._state = "loading …"

    def compose_body(self) -> Iterable[Widget]:
        """One view of lines."""
        with Vertical(id="log-panel", classes="panel"):
            yield OutputView(lambda line: [Piece(self._lines[line])], id="log")

    def crumbs(self) -> list[str]:
        """Fleet, the sandbox, its log."""
        return ["Fleet", self._title(), "Log"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell how much there is."""
        return [], [Piece(self._state, "dim")]

    def on_mount(self) -> None:
        """Fetch the log."""
        super().on_mount()
        self.query_one("#log-panel").border_title = Content(f"{self._title()} · log")
        self.action_reload()

    def on_log_arrived(self, message: LogArrived) -> None:
        """Show what came."""
        if message.error is not None:
            self._state = "not fetched"
            self.dashboard.say(f"The log could not be fetched: {message.error}", "error")
        else:
            self._lines = message.lines
            self._state = f"{len(message.lines):,} lines" if message.lines else "the log is empty"
            self.query_one(OutputView).show(len(self._lines))
        self.update_chrome()

    def action_reload(self) -> None:
        """Fetch the log again."""
        if self.bridge.session is not None:
            self.bridge.fetch_log(self, self.sandbox_id)

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.query_one(OutputView).follow()

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def _title(self) -> str:
        session = self.bridge.session
        row = session.store.get(self.sandbox_id) if session is not None else None
        return clean(row.sandbox.name if row is not None else self.sandbox_id)
