"""Marks on the rows of a view of lines, by their keys."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from sandtui.ui.rendering.text import Piece
from sandtui.ui.widgets.output_view import OutputView

MARK_ACTIONS = ("mark", "range", "mark_all", "invert", "unmark")
"""The names of the actions, in any scope."""


class RowMarks:
    """The marks of one view. ``keys`` returns the key of each line, None for a line that is not a row.

    ``changed`` is called after each change, to draw.
    """

    def __init__(
        self,
        view: Callable[[], OutputView],
        keys: Callable[[], Sequence[Hashable | None]],
        changed: Callable[[], None],
    ) -> None:
        self._view, self._keys, self._changed = view, keys, changed
        self._marked: set[Hashable] = set()
        self._anchor: Hashable | None = None

    def attach(self, screen: object) -> None:
        """Give a screen the methods of the actions, for its key bindings."""
        for name in MARK_ACTIONS:
            setattr(screen, f"action_{name}", getattr(self, name))

    def why_not(self, action: str, mark_key: str) -> str:
        """Return why an action is not possible, or an empty text; ``mark_key`` is the key that marks."""
        if action == "unmark" and not self._marked and not self.has_range:
            return f"No marks: {mark_key} toggles a mark"
        return ""

    # What is marked

    @property
    def current(self) -> Hashable | None:
        """The key of the row under the cursor."""
        keys, cursor = self._keys(), self._view().cursor
        return keys[cursor] if cursor < len(keys) else None

    @property
    def marked(self) -> list[Hashable]:
        """The keys of the marked rows, in their order; those that are filtered out are last."""
        if not self._marked:
            return []
        shown = dict.fromkeys(key for key in self._keys() if key in self._marked)
        return [*shown, *(self._marked - shown.keys())]

    @property
    def chosen(self) -> list[Hashable]:
        """The keys that an action is for: the marked rows, or else the current one."""
        current = self.current
        return self.marked or ([current] if current is not None else [])

    @property
    def has_range(self) -> bool:
        """Whether a range was started."""
        return self._anchor is not None and self._anchor in self._keys()

    @property
    def in_range(self) -> list[Hashable]:
        """The keys between the start of the range and the cursor."""
        keys = self._keys()
        if self._anchor is None or self._anchor not in keys:
            return []
        first, last = sorted((keys.index(self._anchor), self._view().cursor))
        return list(dict.fromkeys(key for key in keys[first : last + 1] if key is not None))

    def forget(self, gone: Callable[[Hashable], bool]) -> None:
        """Drop the marks of rows that no longer exist."""
        self._marked = {key for key in self._marked if not gone(key)}

    # Drawing

    def sign(self, key: Hashable | None) -> Piece:
        """Return the sign of a row, one cell wide."""
        if key is not None and key in self._marked:
            return Piece("✓", "key")
        return Piece("┃", "key") if self._anchor is not None and key in self.in_range else Piece(" ")

    def status(self, mark_key: str, back_key: str) -> list[Piece]:
        """Return the text for the status line."""
        if self.has_range:
            count = len(self.in_range)
            rows = "row" if count == 1 else "rows"
            return [Piece(f"range: {count} {rows} · ", "key"), Piece(f"{mark_key} mark · {back_key} cancel  ", "dim")]
        if not self._marked:
            return []
        hidden = len(self._marked) - len(self._marked & set(self._keys()))
        note = f" ({hidden:,} hidden by the filter)" if hidden else ""
        return [Piece(f"{len(self._marked):,} marked{note}  ", "key")]

    # Actions

    def mark(self) -> None:
        """Toggle the mark of the row, or mark the range, and go to the next row."""
        if self.has_range:
            self._marked |= set(self.in_range)
            self._anchor = None
        elif (key := self.current) is not None:
            self._marked ^= {key}
        self._go_on()
        self._changed()

    def range(self) -> None:
        """Start a range at the row, or mark the range."""
        if self.has_range:
            self.mark()
        else:
            self._anchor = self.current
            self._changed()

    def mark_all(self) -> None:
        """Mark all rows."""
        self._marked |= {key for key in self._keys() if key is not None}
        self._changed()

    def invert(self) -> None:
        """Mark the rows that are not marked, and unmark the others."""
        self._marked ^= {key for key in self._keys() if key is not None}
        self._changed()

    def unmark(self) -> None:
        """Clear the marks and the range."""
        self._marked.clear()
        self._anchor = None
        self._changed()

    def undo(self) -> bool:
        """Cancel the range, or else clear the marks; return whether there was anything to undo."""
        if self.has_range:
            self._anchor = None
        elif self._marked:
            self._marked.clear()
        else:
            return False
        self._changed()
        return True

    def _go_on(self) -> None:
        """Go to the next row; lines that are not rows, or belong to the same one, are skipped."""
        keys, view = self._keys(), self._view()
        here = self.current
        following = (line for line in range(view.cursor + 1, len(keys)) if keys[line] not in {None, here})
        if (line := next(following, None)) is not None:
            view.go_to(line)
