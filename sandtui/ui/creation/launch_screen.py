"""The board of a launch: what is made, what failed and why, and what to do about it."""

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
    """One launch, live. It goes on when the screen is left, and can be opened again."""

    SCOPE = "launch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("launch")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services, launch: Launch) -> None:
        super().__init__(services)
        self.launch = launch
        self._board = Board(launch, 80)
        self._stale = False

    def compose_body(self) -> Iterable[Widget]:
        """One view of lines."""
        with Vertical(id="launch-panel", classes="panel"):
            yield OutputView(self._line, follows=False, id="board")

    def crumbs(self) -> list[str]:
        """Fleet, launch."""
        return ["Fleet", f"Launch {clean(self.launch.launch_id)}"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell how far it is."""
        return summary(self.launch), [Piece("under way" if self.launch.running else "done", "dim")]

    def on_mount(self) -> None:
        """Draw."""
        total = len(self.launch.items)
        self.query_one("#launch-panel").border_title = Content(f"{total} sandboxes")
        self.listen(self.launch.on_change, self._changed)
        self._draw()

    def tick(self) -> None:
        """Let the times grow."""
        super().tick()
        if self.launch.running:
            self._draw()

    def on_launch_changed(self, _: LaunchChanged) -> None:
        """It came to its end, or was changed from here."""
        self._draw()

    def why_not(self, action: str) -> str:
        """Return that there is nothing to stop, to repeat, to delete or to copy."""
        launch = self.launch
        if action == "cancel" and not launch.running:
            return "This launch is over: there is nothing to stop."
        if action == "retry" and not launch.counts[Step.FAILED]:
            return "None of this launch has failed."
        if action == "copy" and not launch.ids:
            return "Nothing was made yet: there are no ids to copy."
        if action == "delete" and not launch.ids and not any(item.unsure for item in launch.items):
            return "Nothing was made: there is nothing to delete."
        return ""

    def action_cancel(self) -> None:
        """Send nothing more; what was made stays."""
        self.services.launches.cancel(self.launch)
        self.services.notifier.notify(
            "The launch is stopped: what was made stays, what was not sent stays queued.", "warning"
        )

    def action_retry(self) -> None:
        """Make the failed ones again."""
        count = self.launch.retry_failed()
        self.services.notifier.notify(f"Trying {count} again.")
        self.services.launches.run(self.launch)

    def action_delete(self) -> None:
        """Ask, and delete all that this launch made."""
        count = len(self.launch.ids)
        question = f"Delete the {count} sandboxes that this launch made?"
        if any(item.unsure for item in self.launch.items):
            question += " Those of which it is not known whether they were made are looked for and deleted too."

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.services.launches.cancel(self.launch)
                self.services.launches.delete(self.launch)

        self.app.push_screen(AskDialog("Delete a launch", question, f"Delete {count}"), answered)

    def action_code(self) -> None:
        """Show the launch as code."""
        requests = [item.request for item in self.launch.items]
        base_url = (
            self.services.platform.connection.config.base_url if self.services.platform.connection is not None else ""
        )
        texts = [
            CodeText("1", "the SDK script", sdk_snippet(requests)),
            CodeText("2", "the curl lines", curl_lines(requests, base_url)),
        ]

        def chosen(text: str | None) -> None:
            if text:
                self.services.clipboard.copy_text(text)

        self.app.push_screen(CodeDialog(texts), chosen)

    def action_copy(self) -> None:
        """Copy the ids of what was made."""
        self.services.clipboard.copy(" ".join(self.launch.ids))

    def action_back(self) -> None:
        """Back to the fleet; the launch goes on."""
        self.app.pop_screen()

    def _line(self, number: int) -> list[Piece]:
        return self._board.line(number, self.services.clock.monotonic())

    def _changed(self) -> None:
        if not self._stale:
            self._stale = True
            # A launch of hundreds changes hundreds of times a second: ten drawings are enough.
            self.set_timer(0.1, self._draw)

    def _draw(self) -> None:
        self._stale = False
        if not self.is_mounted:
            return
        view = self.query_one(OutputView)
        self._board = Board(self.launch, view.size.width or 80)
        view.show(len(self._board))
        self.update_chrome()
