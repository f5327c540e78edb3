"""The player screen."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from sandtui.fleet.recordings.player import SPEEDS, Player
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.key_bindings import bindings
from sandtui.ui.recordings.rendering import progress
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.terminal_view import TerminalView

FRAME_SECONDS = 1 / 30


class PlayerScreen(AppScreen):
    """Plays a recording from its start."""

    SCOPE = "player"
    BINDINGS: ClassVar[list[BindingType]] = bindings("player")
    AUTO_FOCUS = "TerminalView"

    def __init__(self, services: Services, player: Player) -> None:
        super().__init__(services)
        self.player = player
        self._before = monotonic()
        self._shown: object = None

    def compose_body(self) -> Iterable[Widget]:
        yield TerminalView(frozenset(), id="played")

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", "Recordings", clean(self.player.header.title) or "untitled"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the progress bar."""
        return progress(self.player, self.size.width)

    def on_mount(self) -> None:
        # Keys belong to the player, and the view follows the recorded terminal.
        self.query_one(TerminalView).set_watching()
        self._show()
        self.set_interval(FRAME_SECONDS, self._play)

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        player, key = self.player, self.services.key_of
        if action in {"back_5", "back_60", "start"} and player.position <= 0:
            return f"Already at the start: {key('player.pause')} plays"
        if action in {"forward_5", "forward_60", "end"} and player.at_end:
            return f"Already at the end: {key('player.pause')} plays again"
        if action == "slower" and player.speed == SPEEDS[0]:
            return f"Already at the lowest speed: {key('player.faster')} speeds up"
        if action == "faster" and player.speed == SPEEDS[-1]:
            return f"Already at the highest speed: {key('player.slower')} slows down"
        return ""

    def action_pause(self) -> None:
        """Pause or resume; at the end start again."""
        if self.player.at_end:
            self.player.seek(0.0)
            self.player.paused = False
        else:
            self.player.paused = not self.player.paused
        self._show()

    def action_back_5(self) -> None:
        self.seek(self.player.position - 5)

    def action_forward_5(self) -> None:
        self.seek(self.player.position + 5)

    def action_back_60(self) -> None:
        self.seek(self.player.position - 60)

    def action_forward_60(self) -> None:
        self.seek(self.player.position + 60)

    def action_start(self) -> None:
        self.seek(0.0)

    def action_end(self) -> None:
        self.seek(self.player.length)

    def action_slower(self) -> None:
        self.player.faster(-1)
        self._show()

    def action_faster(self) -> None:
        self.player.faster(1)
        self._show()

    def action_leave(self) -> None:
        self.app.pop_screen()

    def seek(self, position: float) -> None:
        """Go to a second of the recording."""
        self.player.seek(position)
        self._show()

    def _play(self) -> None:
        now = monotonic()
        passed, self._before = now - self._before, now
        if self.player.behind:
            self.player.catch_up()
        elif self.player.paused or self.player.at_end or self.app.screen is not self:
            return
        else:
            self.player.advance(passed)
        self._show()

    def _show(self) -> None:
        view = self.query_one(TerminalView)
        if self._shown is not self.player.text:
            self._shown = self.player.text
            view.show(self.player.text, lambda _: None)
        view.changed()
        self.update_news()
