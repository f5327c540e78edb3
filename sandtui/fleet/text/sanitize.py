"""The boundary for text from outside: all of it passes here, or :func:`clean`, before it is drawn."""

from __future__ import annotations

from sandtui.fleet.text.carriage_returns import COLOR_CODE, last_state
from sandtui.printable import clean

__all__ = ["TAB_WIDTH", "clean", "clean_line", "clean_lines", "output_line"]

TAB_WIDTH = 8


def clean_lines(text: str) -> list[str]:
    """Return the lines of ``text``, each safe to draw, with tabs expanded.

    A carriage return rewrites its line: only what follows the last one is left.
    """
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [clean_line(line) for line in lines]


def clean_line(line: str) -> str:
    """Return one line of output, safe to draw, with tabs expanded."""
    if line.isascii() and line.isprintable():
        return line
    line = last_state(line)
    if "\t" in line:
        line = line.expandtabs(TAB_WIDTH)
    return clean(line)


def output_line(line: str) -> str:
    """Return a line of command output, safe to draw, without its colors.

    Some programs color even what goes into a pipe. Codes for colors, and for erasing the rest of a line, mean nothing
    in a view of plain lines. Other escape sequences stay visible.
    """
    return clean_line(COLOR_CODE.sub("", line) if "\x1b" in line else line)
