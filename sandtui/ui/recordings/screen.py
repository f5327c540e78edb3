"""The recordings screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.config.recordings import Recording
from sandtui.directories import describe
from sandtui.fleet.load_state import LOADED, LOADING, failed
from sandtui.fleet.recordings.player import Player
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.key_hints import Hint
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.recordings.rendering import head, line
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

WHAT = "recordings"


class RecordingsScreen(AppScreen):
    """Lists the recordings of this user, newest first."""

    SCOPE = "recordings"
    BINDINGS: ClassVar[list[BindingType]] = bindings("recordings")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._rows: list[Recording] = []
        self.load_state = LOADING

    def compose_body(self) -> Iterable[Widget]:
        with Vertical(id="recordings-panel", classes="panel") as panel:
            panel.border_title = Content("Recordings")
            yield ChromeLine(id="recordings-head")
            yield OutputView(self._line, follows=False, fits=True, id="recordings")

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", "Recordings"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the directory for the status line."""
        return [Piece(f"asciicast files in {clean(str(self.services.recordings.store.folder))}", "dim")], []

    def on_mount(self) -> None:
        self._draw()
        self.run_flow(self._list(), "recordings")

    def on_screen_resume(self) -> None:
        self.run_flow(self._list(), "recordings")

    def offered_hints(self) -> list[Hint]:
        """Without recordings only going back and reloading are available."""
        return [
            hint
            for hint in super().offered_hints()
            if self._rows or hint.action in {"recordings.back", "recordings.reload"}
        ]

    def why_not(self, action: str) -> str:
        """Return how to make a recording, for an action that needs one."""
        if action not in {"play", "delete", "copy"} or self._row() is not None:
            return ""
        if reason := why_not_loaded(self.load_state, WHAT, self.services.key_of("recordings.reload")):
            return reason
        leave, record = self.services.key_of("terminal.out"), self.services.key_of("shell.record")
        return f"No recordings yet: in a shell press {leave}, then {record} to record"

    def action_play(self) -> None:
        if (row := self._row()) is not None:
            self.run_flow(self._play(row), "recordings")

    def action_delete(self) -> None:
        row = self._row()
        if row is None:
            return

        def on_result(yes: bool | None) -> None:
            if yes:
                self.run_flow(self._delete(row), "recordings")

        self.app.push_screen(
            AskDialog("Delete recording", f"{row.path.name}\nin {row.path.parent}", "Delete"), on_result
        )

    def action_copy(self) -> None:
        if (row := self._row()) is not None:
            self.services.clipboard.copy(str(row.path))

    def action_reload(self) -> None:
        self.load_state = LOADING
        self._draw()
        self.run_flow(self._list(), "recordings")

    def action_back(self) -> None:
        self.app.pop_screen()

    async def _list(self) -> None:
        try:
            rows, state = await asyncio.to_thread(self.services.recordings.store.list), LOADED
        except OSError as error:
            rows, state = [], failed(describe(error))
        if self.is_mounted:
            self._rows, self.load_state = rows, state
            self._draw()

    async def _play(self, row: Recording) -> None:
        from sandtui.ui.recordings.player_screen import PlayerScreen

        try:
            player = await asyncio.to_thread(lambda: Player.read(self.services.recordings.store.read(row.path)))
        except (OSError, ValueError) as error:
            self.services.notifier.notify(f"{row.path.name} can't be played: {describe(error)}", "error")
        else:
            if self.app.screen is self:
                self.app.push_screen(PlayerScreen(self.services, player))

    async def _delete(self, row: Recording) -> None:
        try:
            await asyncio.to_thread(self.services.recordings.store.delete, row.path)
        except OSError as error:
            self.services.notifier.notify(f"{row.path.name} not deleted: {describe(error)}", "error")
        await self._list()

    def _width(self) -> int:
        """Return the width of a row in cells, without the borders and the scrollbar."""
        return self.size.width - 3

    def _row(self) -> Recording | None:
        index = self.query_one(OutputView).cursor if self.is_mounted else 0
        return self._rows[index] if index < len(self._rows) else None

    def _line(self, number: int) -> list[Piece]:
        if unknown := load_pieces(self.load_state, WHAT, self.services.key_of("recordings.reload")):
            return [] if number else unknown
        if not self._rows:
            out, record = self.services.key_of("terminal.out"), self.services.key_of("shell.record")
            return [
                Piece(" No recordings   ", "bright"),
                Piece(f"in a shell, {out} then {record} to record", "dim"),
            ]
        if number >= len(self._rows):
            return []
        chosen = number == self.query_one(OutputView).cursor
        return [Piece("▌" if chosen else " ", "key"), *line(self._rows[number], self._width() - 1)]

    def _draw(self) -> None:
        self.query_one("#recordings-head", ChromeLine).show(head(self._width()), [])
        self.query_one(OutputView).show(max(1, len(self._rows)))
        self.update_chrome()
