"""One log: its lines, where one is in them, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.text.log_lines import LogLook, LogText, has_stamps
from sandtui.fleet.text.search import Search, split
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.rendering.wrap import most_cells
from sandtui.ui.widgets.output_view import OutputView


class LogPane(Vertical):
    """A log of one sandbox. ``title`` is safe to draw. Whoever owns it fetches, and arranges what it shows."""

    def __init__(self, sandbox_id: str, title: str) -> None:
        super().__init__(classes="panel")
        self.sandbox_id = sandbox_id
        self.title = title
        self.text = LogText()
        self.look = LogLook()
        self.shown: list[str] = []
        self.search = Search()
        self.state = "loading …"
        self.asked_at: float | None = None
        self.arranging = False
        self._seen = 0

    def compose(self) -> Iterable[Widget]:
        """The lines."""
        yield OutputView(self._line, at_most=lambda line: most_cells(self.shown[line]))

    def on_mount(self) -> None:
        """Show the frame."""
        self.draw_frame()

    def on_output_view_following_changed(self) -> None:
        """Tell it."""
        self.note_end()

    @property
    def view(self) -> OutputView:
        """The lines."""
        return self.query_one(OutputView)

    @property
    def unseen(self) -> int:
        """How many lines have come below since following was paused."""
        return 0 if self.view.following else max(0, len(self.text.lines) + self.text.dropped - self._seen)

    def take(self, lines: list[str]) -> bool:
        """Take the log as it was fetched; return whether it is another one than before."""
        fresh = LogText.of(lines)
        changed = fresh.dropped != self.text.dropped or fresh.lines != self.text.lines or self.state == "loading …"
        self.text = fresh
        count = f"{len(fresh.lines):,} lines"
        self.state = f"first {fresh.dropped:,} left out · {count}" if fresh.dropped else count
        if not lines:
            self.state = "the log is empty"
        return changed

    def fail(self, words: str) -> None:
        """Say that it was not fetched."""
        self.state = words
        self.draw_frame()

    def show(self, shown: list[str]) -> None:
        """Show these lines; a cursor that does not follow the end stays on its line, where that is still shown."""
        view = self.view
        cursor = _again(self.shown, view.cursor, shown) if not view.following else None
        grown = view.wrap and len(self.shown) <= len(shown) and shown[: len(self.shown)] == self.shown
        same = len(self.shown) if grown else 0
        self.shown = shown
        view.show(len(shown), same=same)
        if cursor is not None and cursor != view.cursor:
            view.keep(cursor)
        self.note_end()

    def note_end(self) -> None:
        """Remember how much was there while the end was in view."""
        if self.view.following:
            self._seen = len(self.text.lines) + self.text.dropped
        self.draw_frame()

    def draw_frame(self) -> None:
        """Draw the title and how it stands."""
        self.border_title = Content(f"{self.title} · log")
        mode = "● following" if self.view.following else "‖ paused"
        if unseen := self.unseen:
            mode = f"‖ +{unseen:,} lines"
        parts = [mode, f"{len(self.shown):,} of {self.state}" if self.look.only else self.state]
        if not self.look.stamps:
            parts.append("no times")
        self.border_subtitle = Content(" · ".join(parts))

    @property
    def has_stamps(self) -> bool:
        """Whether lines begin with their time."""
        return has_stamps(self.text.lines)

    def _line(self, number: int) -> list[Piece]:
        if number >= len(self.shown):
            return []
        return [Piece(text, "key" if hit else "text") for text, hit in split(self.shown[number], self.search.needle)]


def _again(before: list[str], cursor: int, now: list[str]) -> int | None:
    """Return where a line is after others were left out or came back: equal lines keep their order."""
    if cursor >= len(before) or now[cursor : cursor + 1] == before[cursor : cursor + 1] or len(now) == len(before):
        return None
    line = before[cursor]
    nth = before[:cursor].count(line)
    places = (place for place, text in enumerate(now) if text == line)
    return next((place for count, place in enumerate(places) if count == nth), None)
