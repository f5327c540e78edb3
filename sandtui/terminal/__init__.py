"""A headless terminal emulation: the screen that a program's output draws, and the bytes that keys send to it.

:class:`Emulation` takes output and sizes; :mod:`view` reads lines as styled runs; :mod:`keys` turns keys, mouse events
and pasted text into bytes.
"""

from sandtui.terminal.emulation import Emulation
from sandtui.terminal.lines import TextRun
from sandtui.terminal.pen import PLAIN, TRUE, Pen
from sandtui.terminal.view import TerminalText

__all__ = ["PLAIN", "TRUE", "Emulation", "Pen", "TerminalText", "TextRun"]
