"""The modes of a terminal that programs can set, and those that affect what keys and the mouse send."""

from __future__ import annotations

from dataclasses import dataclass

MOUSE_PRESSES, MOUSE_DRAGS, MOUSE_MOVES = 1000, 1002, 1003
MOUSE_MODES = (9, MOUSE_PRESSES, MOUSE_DRAGS, MOUSE_MOVES)


@dataclass(slots=True)
class Modes:
    """The current modes. ``mouse`` is the number of the mouse mode (xterm's ``ctlseqs``), or 0."""

    application_cursor: bool = False
    application_keypad: bool = False
    cursor_visible: bool = True
    cursor_shape: str = "block"
    cursor_blinks: bool = True
    reverse_screen: bool = False
    newline: bool = False
    mouse: int = 0
    mouse_sgr: bool = False
    focus_events: bool = False
    bracketed_paste: bool = False
    alternate_scroll: bool = True
    synchronized: bool = False

    def flag(self, number: int) -> bool | None:
        """Return whether a private mode is set; None if it is not supported here."""
        if number in MOUSE_MODES:
            return self.mouse == number
        name = PRIVATE.get(number)
        return bool(getattr(self, name)) if name is not None else None

    def set_private(self, number: int, on: bool) -> None:
        """Set or reset a private mode if it is supported here."""
        if number in MOUSE_MODES:
            self.mouse = number if on else 0
        elif (name := PRIVATE.get(number)) is not None:
            setattr(self, name, on)

    def set_cursor_style(self, number: int) -> None:
        """Set the cursor shape (DECSCUSR)."""
        if 0 <= number <= 6:
            self.cursor_shape = ("block", "block", "block", "underline", "underline", "bar", "bar")[number]
            self.cursor_blinks = number in {0, 1, 3, 5}


PRIVATE = {
    1: "application_cursor",
    5: "reverse_screen",
    12: "cursor_blinks",
    25: "cursor_visible",
    1004: "focus_events",
    1006: "mouse_sgr",
    1007: "alternate_scroll",
    2004: "bracketed_paste",
    2026: "synchronized",
}
