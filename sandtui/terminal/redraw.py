"""The bytes that draw the screen of one terminal on another of the same size."""

from __future__ import annotations

from sandtui.terminal import pen as pens
from sandtui.terminal.emulation import Emulation
from sandtui.terminal.lines import TextRun, runs_of
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
            parts.append(f"\x1b[{y + 1}H" + "".join(map(_drawn, runs)))
    x, y = terminal.cursor
    parts.append(f"{_sgr(terminal.grid.pen)}\x1b[{y + 1};{x + 1}H")
    if not terminal.modes.cursor_visible:
        parts.append("\x1b[?25l")
    return "".join(parts).encode()


def restore(terminal: Emulation) -> bytes:
    """Return the bytes that turn any terminal of this size into this one, with its modes but no scrollback."""
    modes, grid = terminal.modes, terminal.grid
    on = [1] * modes.application_cursor + [5] * modes.reverse_screen + [modes.mouse] * bool(modes.mouse)
    on += [1006] * modes.mouse_sgr + [1004] * modes.focus_events + [2004] * modes.bracketed_paste
    shape = {"block": 1, "underline": 3, "bar": 5}[modes.cursor_shape] + (not modes.cursor_blinks)
    before = ["\x18\x1b\\\x1bc", f"\x1b]0;{terminal.title}\x1b\\" if terminal.title else ""]
    after = []
    if (grid.top, grid.bottom) != (0, grid.height - 1):
        x, y = terminal.cursor
        after.append(f"\x1b[{grid.top + 1};{grid.bottom + 1}r\x1b[{y + 1};{x + 1}H")
    after += ["\x1b[?7l"] * (not grid.autowrap) + ["\x1b[4h"] * grid.insert + ["\x1b="] * modes.application_keypad
    after += [f"\x1b[?{number}h" for number in on] + [f"\x1b[{shape} q"]
    return "".join(before).encode() + redraw(terminal) + "".join(after).encode() + terminal.unfinished


def _drawn(run: TextRun) -> str:
    text = _sgr(run.pen) + run.text
    return f"\x1b]8;;{run.pen.link}\x1b\\{text}\x1b]8;;\x1b\\" if run.pen.link else text


def _sgr(pen: Pen) -> str:
    codes = ["0", *(code for flag, code in _CODES.items() if pen.flags & flag)]
    for base, color in ((38, pen.fg), (48, pen.bg)):
        if color is not None and color < TRUE:
            codes.append(f"{base};5;{color}")
        elif color is not None:
            codes.append(f"{base};2;{color >> 16 & 255};{color >> 8 & 255};{color & 255}")
    return f"\x1b[{';'.join(codes)}m"
