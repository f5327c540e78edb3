"""The bytes that draw the screen of one terminal on another, empty one of the same size."""

from __future__ import annotations

from sandtui.terminal import pen as pens
from sandtui.terminal.emulation import Emulation
from sandtui.terminal.lines import runs_of
from sandtui.terminal.pen import PLAIN, TRUE, Pen

_CODES = {
    pens.BOLD: "1", pens.DIM: "2", pens.ITALIC: "3", pens.UNDERLINE: "4", pens.REVERSE: "7", pens.HIDDEN: "8",
    pens.STRIKE: "9", pens.DOUBLE: "21", pens.OVERLINE: "53",
}  # fmt: skip


def redraw(terminal: Emulation) -> bytes:
    """Return the screen, the cursor and the colors of a terminal as bytes, without its scrollback."""
    parts = ["\x1b[?1049h" if terminal.is_alternate else "", "\x1b[H\x1b[2J"]
    for y, line in enumerate(terminal.grid.rows):
        runs = list(runs_of(line))
        while runs and runs[-1].pen is PLAIN and not runs[-1].text.strip(" "):
            runs.pop()
        if runs:
            parts.append(f"\x1b[{y + 1}H" + "".join(_sgr(run.pen) + run.text for run in runs))
    x, y = terminal.cursor
    parts.append(f"{_sgr(terminal.grid.pen)}\x1b[{y + 1};{x + 1}H")
    if not terminal.modes.cursor_visible:
        parts.append("\x1b[?25l")
    return "".join(parts).encode()


def _sgr(pen: Pen) -> str:
    codes = ["0", *(code for flag, code in _CODES.items() if pen.flags & flag)]
    for base, color in ((38, pen.fg), (48, pen.bg)):
        if color is not None and color < TRUE:
            codes.append(f"{base};5;{color}")
        elif color is not None:
            codes.append(f"{base};2;{color >> 16 & 255};{color >> 8 & 255};{color & 255}")
    return f"\x1b[{';'.join(codes)}m"
