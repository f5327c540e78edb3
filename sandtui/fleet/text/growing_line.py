"""A line of output that comes in pieces: its last state is kept, whatever it wrote over before."""

from __future__ import annotations

from sandtui.fleet.text.carriage_returns import is_blank
from sandtui.fleet.text.sgr import PLAIN, Ink, ink_after

MAX_LINE = 100_000
"""Characters of one line that are kept: a program that never ends its line must not fill the memory with it."""


class GrowingLine:
    """A line without its line break. Of its last state the first ``limit`` characters are kept.

    Carriage returns take effect before anything is cut, so that a progress bar may rewrite its line for hours. However
    the pieces are cut, the result is that of the whole line.
    """

    __slots__ = (
        "_before",
        "_clipped_ink",
        "_returned",
        "_segment",
        "_segment_ink",
        "_surplus",
        "cut",
        "ink",
        "limit",
        "over",
        "text",
    )

    def __init__(self, limit: int = MAX_LINE, ink: Ink = PLAIN) -> None:
        self.limit = limit
        self.text = ""
        """What the line shows; it has no carriage return, and is not safe to draw."""
        self.ink = ink
        """How ``text`` begins."""
        self.cut = 0
        """Characters after ``text`` that were too many."""
        self.over = False
        """Whether ``text`` was written over something: nothing that stands before the line matters then."""
        # The segment is what follows the last carriage return. While it is blank what was there before still shows: it
        # is held back, for what looks like the beginning of a text may turn out to be that of a colour code.
        self._segment = ""
        self._segment_ink = ink
        self._surplus = 0
        self._clipped_ink: Ink | None = None
        self._returned = False
        self._before = "", ink, 0, False

    @property
    def end_ink(self) -> Ink:
        """How what follows looks: colours last over the end of a line."""
        return self._clipped_ink if self._clipped_ink is not None else ink_after(self._segment, self._segment_ink)

    @property
    def raw(self) -> str:
        """The shortest that another line can be fed to stand as this one, but for colours that were set before."""
        before = "\r" if self.over else ""
        if not self._returned or not is_blank(self._segment):
            return before + self._segment
        return f"{before}{self.text}\r{self._segment}"

    def feed(self, piece: str) -> None:
        """Add what came next."""
        first, *states = piece.split("\r")
        self._grow(first)
        if len(states) > 2 and "\x1b" not in piece:
            # All but the last that shows something are written over, and none sets a colour.
            states = [*[state for state in states[:-1] if state][-1:], states[-1]]
        for state in states:
            self._return()
            self._grow(state)

    def _grow(self, piece: str) -> None:
        room = self.limit - len(self._segment)
        if len(piece) > room:
            self._clipped_ink = ink_after(piece, self.end_ink)
            self._surplus += len(piece) - room
            piece = piece[:room]
        if piece:
            self._segment += piece
        shows = not self._returned or self._surplus > 0 or not is_blank(self._segment)
        now = self._segment, self._segment_ink, self._surplus, self._returned
        self.text, self.ink, self.cut, self.over = now if shows else self._before

    def _return(self) -> None:
        self._before = self.text, self.ink, self.cut, self.over
        self._segment_ink = self.end_ink
        self._segment, self._surplus, self._clipped_ink, self._returned = "", 0, None, True


def settled(line: str, limit: int = MAX_LINE) -> str:
    """Return what a whole line shows in the end, cut to ``limit`` characters."""
    if "\r" not in line:
        return line[:limit]
    whole = GrowingLine(limit)
    whole.feed(line)
    return whole.text
