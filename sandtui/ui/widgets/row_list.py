"""A list of rows that have keys: the cursor stays on its row, and that on its line, whatever comes above."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.message import Message

from sandtui.ui.widgets.output_view import LineSource, OutputView


class RowList(OutputView):
    """An :class:`OutputView` whose lines are rows. It never follows the end."""

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    def __init__(self, source: LineSource, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(source, id=id)
        self._keys: Sequence[Hashable] = ()
        self.following = False

    @property
    def key(self) -> Hashable | None:
        """The key of the row under the cursor, or None when there is no row."""
        return self._keys[self.cursor] if self.cursor < len(self._keys) else None

    def show_rows(self, keys: Sequence[Hashable], *, lines: int | None = None) -> None:
        """Draw rows with these keys; ``lines`` is how many to draw when there are none, or notes below them."""
        old, place = self.key, self.cursor
        above = place - self.scroll_offset.y
        self._keys = keys
        self.show(max(len(keys), 1) if lines is None else lines)
        self.following = False
        if old is not None and old != self.key and old in keys:
            place = keys.index(old)
            super().go_to(place)
            self.following = False
            self.scroll_to(y=max(0, place - above), animate=False, immediate=True, force=True)
        if self.key != old:
            self.post_message(self.Moved(self))

    def go_to(self, line: int) -> None:
        """Put the cursor on a row."""
        before = self.key
        super().go_to(min(line, max(0, len(self._keys) - 1)))
        self.following = False
        if self.key != before:
            self.post_message(self.Moved(self))

    def follow(self) -> None:
        """Go to the last row."""
        self.go_to(len(self._keys) - 1)
