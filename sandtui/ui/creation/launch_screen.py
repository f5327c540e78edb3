"""The screen of a launch: its progress, what failed and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.creation.as_code import curl_lines, sdk_snippet
from sandtui.fleet.creation.launch import Launch, Step
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.creation.launch import Board, summary
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import LaunchChanged
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView


class LaunchScreen(AppScreen):
    """One launch, live. Leaving the screen does not stop it, and it can be opened again."""

    SCOPE = "launch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("launch")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services, launch: Launch) -> None:
        super().__init__(services)
        self.launch = launch
        self._board = Board(launch, 80)
        self._stale = False

    def compose_body(self) -> Iterable[Widget]:
        with Vertical(id="launch-panel", classes="panel"):
            yield OutputView(self._line, follows=False, id="board")

    def crumbs(self) -> list[str]:
        return ["Fleet", f"Launch {clean(self.launch.launch_id)}"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        return summary(self.launch), [Piece("launching…" if self.launch.running else "complete", "dim")]

    def on_mount(self) -> None:
        total = len(self.launch.items)
        self.query_one("#launch-panel").border_title = Content(f"{total} sandboxes")
        self.listen(self.launch.on_change, self._changed)
        self._draw()

    def tick(self) -> None:
        super().tick()
        if self.launch.running:
            self._draw()

    def on_launch_changed(self, _: LaunchChanged) -> None:
        self._draw()

    def why_not(self, action: str) -> str:
        """Return why an action is not available."""
        launch = self.launch
        if action == "cancel" and not launch.running:
            return "Launch complete: nothing to stop"
        if action == "retry" and not launch.counts[Step.FAILED]:
            return "Nothing failed in this launch"
        if action == "copy" and not launch.ids:
            return "No sandboxes created yet"
        if action == "delete" and not launch.ids and not any(item.unsure for item in launch.items):
            return "No sandboxes to delete"
        return ""

    def action_cancel(self) -> None:
        self.services.launches.cancel(self.launch)
        self.services.notifier.notify("Launch stopped. Created sandboxes stay; the rest stays queued.", "warning")

    def action_retry(self) -> None:
        count = self.launch.retry_failed()
        self.services.notifier.notify(f"Retrying {count}")
        self.services.launches.run(self.launch)

    def action_delete(self) -> None:
        count = len(self.launch.ids)
        question = f"Delete all {count} sandboxes of this launch?"
        if any(item.unsure for item in self.launch.items):
            question += " Requests without a known result are looked up, and deleted too."

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.services.launches.cancel(self.launch)
                self.services.launches.delete(self.launch)

        self.app.push_screen(AskDialog("Delete launch", question, f"Delete {count}"), answered)

    def action_code(self) -> None:
        requests = [item.request for item in self.launch.items]
        base_url = (
            self.services.platform.connection.config.base_url if self.services.platform.connection is not None else ""
        )
        texts = [
            CodeText("1", "Python", sdk_snippet(requests)),
            CodeText("2", "curl", curl_lines(requests, base_url)),
        ]

        def chosen(text: str | None) -> None:
            if text:
                self.services.clipboard.copy_text(text)

        self.app.push_screen(CodeDialog(texts), chosen)

    def action_copy(self) -> None:
        self.services.clipboard.copy(" ".join(self.launch.ids))

    def action_back(self) -> None:
        self.app.pop_screen()

    def _line(self, number: int) -> list[Piece]:
        return self._board.line(number, self.services.clock.monotonic())

    def _changed(self) -> None:
        if not self._stale:
            self._stale = True
            # A launch of hundreds changes hundreds of times a second: ten repaints are enough.
            self.set_timer(0.1, self._draw)

    def _draw(self) -> None:
        self._stale = False
        if not self.is_mounted:
            return
        view = self.query_one(OutputView)
        self._board = Board(self.launch, view.size.width or 80)
        view.show(len(self._board))
        self.update_chrome()
