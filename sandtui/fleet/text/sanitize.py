"""The border for text from outside: what stands on screen comes through here, or through :func:`clean`."""

from __future__ import annotations

from sandtui.fleet.text.carriage_returns import COLOUR_CODE, last_state
from sandtui.printable import clean

__all__ = ["TAB_WIDTH", "clean", "clean_line", "clean_lines", "output_line"]

TAB_WIDTH = 8


def clean_lines(text: str) -> list[str]:
    """Return the lines of ``text``, each safe to draw, with tabs expanded.

    A carriage return rewrites its line: only what follows the last one stays.
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
    """Return one line of a command's output, safe to draw, without its colours.

    Programs colour even what goes into a pipe; the codes for colours and for erasing the rest of a line say
    nothing in a view of plain lines. Everything else that starts with an escape stays visible.
    """
    return clean_line(COLOUR_CODE.sub("", line) if "\x1b" in line else line)
