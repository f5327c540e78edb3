"""The functions of control sequences, by final character with prefix and intermediate.

The numbers come from an untrusted program: each is at most 99,999, and its effect is bounded by the size of the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sandtui.terminal.grid import TAB

if TYPE_CHECKING:
    from sandtui.terminal.emulation import Emulation

Numbers = list[int]


def _at(numbers: Numbers, index: int, default: int) -> int:
    """Return a number; if it is missing or 0, the default."""
    return (numbers[index] if index < len(numbers) else 0) or default


def _up(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_by(0, -_at(numbers, 0, 1))


def _down(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_by(0, _at(numbers, 0, 1))


def _forward(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_by(_at(numbers, 0, 1), 0)


def _back(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_by(-_at(numbers, 0, 1), 0)


def _next_line(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_by(0, _at(numbers, 0, 1))
    terminal.grid.x = 0


def _previous_line(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_by(0, -_at(numbers, 0, 1))
    terminal.grid.x = 0


def _column(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.x = min(_at(numbers, 0, 1), terminal.grid.width) - 1


def _line(terminal: Emulation, numbers: Numbers) -> None:
    grid = terminal.grid
    grid.move_to(min(grid.x, grid.width - 1), _at(numbers, 0, 1) - 1)


def _position(terminal: Emulation, numbers: Numbers) -> None:
    terminal.grid.move_to(_at(numbers, 1, 1) - 1, _at(numbers, 0, 1) - 1)


def _erase_display(terminal: Emulation, numbers: Numbers) -> None:
    grid, what = terminal.grid, _at(numbers, 0, 0)
    if what == 0:
        # If the last column was just written, there is nothing right of the cursor, as in tmux. grep --color erases
        # to the end of the line after every match.
        grid.erase(grid.y, grid.x, grid.width)
        grid.erase_lines(grid.y + 1, grid.height)
    elif what == 1:
        grid.erase_lines(0, grid.y)
        grid.erase(grid.y, 0, grid.x + 1)
    elif what == 2:
        grid.erase_lines(0, grid.height)
    elif what == 3 and grid.history is not None:
        grid.history.clear()
        grid.scrolled = True


def _erase_line(terminal: Emulation, numbers: Numbers) -> None:
    grid, what = terminal.grid, _at(numbers, 0, 0)
    if what <= 2:
        grid.erase(grid.y, grid.x if what == 0 else 0, grid.x + 1 if what == 1 else grid.width)


def _erase_chars(terminal: Emulation, numbers: Numbers) -> None:
    grid = terminal.grid
    x = min(grid.x, grid.width - 1)
    grid.erase(grid.y, x, x + _at(numbers, 0, 1))


def _margins(terminal: Emulation, numbers: Numbers) -> None:
    grid = terminal.grid
    grid.set_margins(_at(numbers, 0, 1) - 1, _at(numbers, 1, grid.height) - 1)


def _clear_tabs(terminal: Emulation, numbers: Numbers) -> None:
    grid = terminal.grid
    if _at(numbers, 0, 0) == 0:
        grid.tabs.discard(grid.x)
    elif _at(numbers, 0, 0) == 3:
        grid.tabs.clear()


def _reset_tabs(terminal: Emulation, numbers: Numbers) -> None:
    if numbers == [5]:
        terminal.grid.tabs = set(range(TAB, terminal.grid.width, TAB))


def _ansi_mode(on: bool) -> Callable[[Emulation, Numbers], None]:
    def change(terminal: Emulation, numbers: Numbers) -> None:
        for number in numbers:
            if number == 4:
                terminal.grid.insert = on
            elif number == 20:
                terminal.modes.newline = on

    return change


def _private_mode(on: bool) -> Callable[[Emulation, Numbers], None]:
    def change(terminal: Emulation, numbers: Numbers) -> None:
        for number in numbers:
            _change_mode(terminal, number, on)

    return change


def _change_mode(terminal: Emulation, number: int, on: bool) -> None:
    grid = terminal.grid
    if number == 6:
        grid.origin = on
        grid.move_to(0, 0)
    elif number == 7:
        grid.autowrap = on
    elif number in {47, 1047}:
        terminal.set_alternate(on, clear=number == 1047)
    elif number == 1048:
        (terminal.save_cursor if on else terminal.restore_cursor)()
    elif number == 1049:
        if on and not terminal.is_alternate:
            terminal.save_cursor()
            terminal.set_alternate(True, clear=True)
        elif not on and terminal.is_alternate:
            terminal.set_alternate(False, clear=False)
            terminal.restore_cursor()
    else:
        if number == 5:
            grid.scrolled = True
        terminal.modes.set_private(number, on)


def _report_mode(terminal: Emulation, numbers: Numbers) -> None:
    number = _at(numbers, 0, 0)
    known = {6: terminal.grid.origin, 7: terminal.grid.autowrap, 1049: terminal.is_alternate}
    state = known[number] if number in known else terminal.modes.flag(number)
    terminal.reply(f"\x1b[?{number};{0 if state is None else 1 if state else 2}$y")


def _report(terminal: Emulation, numbers: Numbers) -> None:
    x, y = terminal.cursor
    if numbers == [5]:
        terminal.reply("\x1b[0n")
    elif numbers == [6]:
        line = y - terminal.grid.top if terminal.grid.origin else y
        terminal.reply(f"\x1b[{line + 1};{x + 1}R")


def _attributes(terminal: Emulation, numbers: Numbers) -> None:
    if _at(numbers, 0, 0) == 0:
        terminal.reply("\x1b[?62;22c")


def _more_attributes(terminal: Emulation, numbers: Numbers) -> None:
    if _at(numbers, 0, 0) == 0:
        terminal.reply("\x1b[>1;10;0c")


def _window(terminal: Emulation, numbers: Numbers) -> None:
    # The window itself is neither described nor changed.
    if numbers[:1] == [18]:
        columns, lines = terminal.size
        terminal.reply(f"\x1b[8;{lines};{columns}t")


CONTROLS: dict[str, Callable[[Emulation, Numbers], None]] = {
    "A": _up,
    "B": _down,
    "C": _forward,
    "D": _back,
    "E": _next_line,
    "F": _previous_line,
    "G": _column,
    "`": _column,
    "H": _position,
    "f": _position,
    "I": lambda terminal, numbers: terminal.grid.tab(_at(numbers, 0, 1)),
    "Z": lambda terminal, numbers: terminal.grid.tab(-_at(numbers, 0, 1)),
    "J": _erase_display,
    "?J": _erase_display,
    "K": _erase_line,
    "?K": _erase_line,
    "X": _erase_chars,
    "@": lambda terminal, numbers: terminal.grid.insert_chars(_at(numbers, 0, 1)),
    "P": lambda terminal, numbers: terminal.grid.delete_chars(_at(numbers, 0, 1)),
    "L": lambda terminal, numbers: terminal.grid.insert_lines(_at(numbers, 0, 1)),
    "M": lambda terminal, numbers: terminal.grid.delete_lines(_at(numbers, 0, 1)),
    "S": lambda terminal, numbers: terminal.grid.scroll_up(_at(numbers, 0, 1)),
    "T": lambda terminal, numbers: terminal.grid.scroll_down(_at(numbers, 0, 1)) if len(numbers) <= 1 else None,
    "a": _forward,
    "b": lambda terminal, numbers: terminal.repeat(_at(numbers, 0, 1)),
    "c": _attributes,
    ">c": _more_attributes,
    "d": _line,
    "e": _down,
    "g": _clear_tabs,
    "?W": _reset_tabs,
    "h": _ansi_mode(True),
    "l": _ansi_mode(False),
    "?h": _private_mode(True),
    "?l": _private_mode(False),
    "?$p": _report_mode,
    "n": _report,
    "r": _margins,
    "s": lambda terminal, _: terminal.save_cursor(),
    "u": lambda terminal, _: terminal.restore_cursor(),
    "t": _window,
    " q": lambda terminal, numbers: terminal.modes.set_cursor_style(_at(numbers, 0, 0)),
    "!p": lambda terminal, _: terminal.soft_reset(),
}
