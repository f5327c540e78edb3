"""A line of output that arrives in pieces, of which only the last state is stored."""

from __future__ import annotations

from sandtui.fleet.text.carriage_returns import is_blank
from sandtui.fleet.text.sgr import PLAIN, Ink, ink_after

MAX_LINE = 100_000
"""Maximum characters of a line: a program that never ends its line must not fill the memory."""


class GrowingLine:
    """A line without its line break. The first ``limit`` characters of its last state are stored.

    Carriage returns take effect before the line is cut, so that a progress bar may rewrite it for hours. The result
    does not depend on how the line is split into pieces.
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
        """What the line shows, without carriage returns; not safe to draw."""
        self.ink = ink
        """The ink at the start of ``text``."""
        self.cut = 0
        """Number of characters cut after ``text``."""
        self.over = False
        """Whether ``text`` has overwritten something, so that what precedes the line does not matter."""
        # The segment is what follows the last carriage return. While it is blank, the state before is still shown: what
        # looks like the start of a text may turn out to be the start of a color code.
        self._segment = ""
        self._segment_ink = ink
        self._surplus = 0
        self._clipped_ink: Ink | None = None
        self._returned = False
        self._before = "", ink, 0, False

    @property
    def end_ink(self) -> Ink:
        """The ink at the end of the line, which continues in the next line."""
        return self._clipped_ink if self._clipped_ink is not None else ink_after(self._segment, self._segment_ink)

    @property
    def raw(self) -> str:
        """The shortest input that makes another line equal to this one, apart from inherited colors."""
        before = "\r" if self.over else ""
        if not self._returned or not is_blank(self._segment):
            return before + self._segment
        return f"{before}{self.text}\r{self._segment}"

    def feed(self, piece: str) -> None:
        """Add the next piece."""
        first, *states = piece.split("\r")
        self._grow(first)
        if len(states) > 2 and "\x1b" not in piece:
            # All but the last visible state are overwritten, and none sets a color.
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
    """Return what a complete line finally shows, cut to ``limit`` characters."""
    if "\r" not in line:
        return line[:limit]
    whole = GrowingLine(limit)
    whole.feed(line)
    return whole.text
