"""A pane with the log of one sandbox."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.load_state import LOADED, LOADING, failed
from sandtui.fleet.text.log_lines import LogLook, LogText, has_stamps
from sandtui.fleet.text.search import Search, split
from sandtui.ui.rendering.loading import load_pieces
from sandtui.ui.rendering.text import Piece
from sandtui.ui.rendering.wrap import most_cells
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame


class LogPane(Vertical):
    """The log of one sandbox. The owner fetches it, and filters what is shown.

    ``title`` is safe to draw; ``retry`` is the key that fetches the log again.
    """

    def __init__(self, sandbox_id: str, title: str, retry: str) -> None:
        super().__init__(classes="panel")
        self.sandbox_id = sandbox_id
        self.title = title
        self.text = LogText()
        self.look = LogLook()
        self.shown: list[str] = []
        self.search = Search()
        self.load_state = LOADING
        self.state = ""
        self._retry = retry
        self.asked_at: float | None = None
        self.arranging = False
        self._seen = 0

    def compose(self) -> Iterable[Widget]:
        yield OutputView(self._line, at_most=self._most_cells)

    def on_mount(self) -> None:
        self.view.show(1)
        self.draw_frame()

    def on_output_view_following_changed(self) -> None:
        self.note_end()

    @property
    def view(self) -> OutputView:
        return self.query_one(OutputView)

    @property
    def unseen(self) -> int:
        """The number of lines that arrived since following was paused."""
        return 0 if self.view.following else max(0, len(self.text.lines) + self.text.dropped - self._seen)

    def take(self, lines: list[str]) -> bool:
        """Set the fetched log; return whether it has changed."""
        fresh = LogText.of(lines)
        changed = fresh.dropped != self.text.dropped or fresh.lines != self.text.lines or not self.load_state.is_loaded
        self.text, self.load_state = fresh, LOADED
        count = f"{len(fresh.lines):,} {'line' if len(fresh.lines) == 1 else 'lines'}"
        self.state = f"first {fresh.dropped:,} lines omitted · {count}" if fresh.dropped else count
        if not lines:
            self.state = "empty"
        return changed

    def fail(self, reason: str) -> None:
        """Show that the log could not be fetched; lines that are known stay."""
        if self.load_state.is_loaded:
            self.state = "not reloaded"
        else:
            self.load_state = failed(reason)
            self.view.refresh()
        self.draw_frame()

    def begin(self) -> None:
        """Note that the log is being fetched."""
        if not self.load_state.is_loaded:
            self.load_state = LOADING
            self.view.refresh()
            self.draw_frame()

    def show(self, shown: list[str]) -> None:
        """Show these lines. Unless the end is followed, the cursor stays on its line if that is still shown."""
        view = self.view
        cursor = _new_index(self.shown, view.cursor, shown) if not view.following else None
        grown = view.wrap and len(self.shown) <= len(shown) and shown[: len(self.shown)] == self.shown
        same = len(self.shown) if grown else 0
        self.shown = shown
        # Without lines one says why there are none.
        view.show(len(shown) or 1, same=same)
        if cursor is not None and cursor != view.cursor:
            view.keep(cursor)
        self.note_end()

    def note_end(self) -> None:
        """Count all lines as seen while the end is followed."""
        if self.view.following:
            self._seen = len(self.text.lines) + self.text.dropped
        self.draw_frame()

    def draw_frame(self) -> None:
        """Update title and status."""
        mode = "● following" if self.view.following else "‖ paused"
        if unseen := self.unseen:
            mode = f"‖ paused · {unseen:,} new"
        parts = [mode] if self.load_state.is_loaded else []
        parts += [f"{len(self.shown):,} of {self.state}" if self.look.only else self.state]
        if not self.look.stamps:
            parts.append("timestamps hidden")
        show_frame(self, f"{self.title} · log", " · ".join(filter(None, parts)))

    @property
    def has_stamps(self) -> bool:
        """Whether lines start with a timestamp."""
        return has_stamps(self.text.lines)

    def _line(self, number: int) -> list[Piece]:
        if number >= len(self.shown):
            return [] if number or self.shown else self._empty_line()
        return [Piece(text, "key" if hit else "text") for text, hit in split(self.shown[number], self.search.needle)]

    def _empty_line(self) -> list[Piece]:
        if unknown := load_pieces(LOADING if self.arranging else self.load_state, "log", self._retry):
            return unknown
        return [Piece(" No matching lines" if self.look.only else " The log is empty", "dim")]

    def _most_cells(self, number: int) -> int:
        return most_cells(self.shown[number]) if number < len(self.shown) else 0


def _new_index(before: list[str], cursor: int, now: list[str]) -> int | None:
    """Return the new index of a line after others were hidden or shown; equal lines keep their order."""
    if cursor >= len(before) or now[cursor : cursor + 1] == before[cursor : cursor + 1] or len(now) == len(before):
        return None
    line = before[cursor]
    nth = before[:cursor].count(line)
    indexes = (index for index, text in enumerate(now) if text == line)
    return next((index for count, index in enumerate(indexes) if count == nth), None)
