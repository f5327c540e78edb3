"""A list of rows identified by keys: the cursor stays on its row, in place, whatever is inserted above."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.geometry import Region
from textual.message import Message

from sandtui.ui.widgets.essentials import MARKS_WIDTH
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
            return self.rows

    def __init__(self, source: LineSource, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(source, follows=False, id=id)
        self._keys: Sequence[Hashable] = ()
        self._announced: Hashable | None = None

    @property
    def key(self) -> Hashable | None:
        """The key of the row under the cursor, or None if there are no rows."""
        return self._keys[self.cursor] if self.cursor < len(self._keys) else None

    def essentials(self) -> list[Region]:
        """Return the row under the cursor, and the column of marks."""
        return [*super().essentials(), Region(0, 0, MARKS_WIDTH, self.size.height)]

    def show_rows(self, keys: Sequence[Hashable], *, lines: int | None = None) -> None:
        """Show rows with these keys; ``lines`` is the number of lines if it differs, because of notes."""
        old = self.key
        self._keys = keys
        self.show(max(len(keys), 1) if lines is None else lines)
        if old is not None and old != self.key and old in keys:
            self.keep(keys.index(old))
        self._announced = self.key
        if self.key != old:
            self.post_message(self.Moved(self))

    @property
    def reachable(self) -> int:
        """The number of lines that the cursor can be on; it skips notes below the rows."""
        return max(1, len(self._keys))

    def cursor_put(self) -> None:
        """Announce when the cursor is on another row."""
        super().cursor_put()
        if self.key != self._announced:
            self._announced = self.key
            self.post_message(self.Moved(self))
