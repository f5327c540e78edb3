"""A terminal's emulation, headless: what a shell's screen looks like and what keys send to it.

The interface is small: :class:`Emulation` takes bytes and sizes; :mod:`view` reads lines as styled runs; :mod:`keys`
turns keys, mouse and pasted text into bytes.
"""

from sandtui.terminal.emulation import Emulation
from sandtui.terminal.lines import TextRun
from sandtui.terminal.pen import PLAIN, TRUE, Pen
from sandtui.terminal.view import TerminalText

__all__ = ["PLAIN", "TRUE", "Emulation", "Pen", "TerminalText", "TextRun"]
