"""The border for text from outside: after it, nothing can move the cursor or fool the eye.

Names, labels, paths, logs, errors and output come from strangers. Control characters (C0, C1, DEL), bidi
controls and lone surrogates become visible replacements; the result is drawn literally and never parsed as
markup (design.md 3).
"""

from __future__ import annotations

import re

from sandtui.fleet.carriage import COLOUR_CODE, last_state

TAB_WIDTH = 8

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_LINE_BREAKERS = "\u2028\u2029"
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f{_BIDI}{_LINE_BREAKERS}\ud800-\udfff\ufff9-\ufffb]")


def clean(text: str) -> str:
    """Return ``text`` as one line that is safe to draw.

    C0 controls are shown as their Unicode pictures (``␛`` for ESC), the rest as ``�``.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_picture, text)


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
    return _UNSAFE.sub(_picture, line)


def output_line(line: str) -> str:
    """Return one line of a command's output, safe to draw, without its colours.

    Programs colour even what goes into a pipe; the codes for colours and for erasing the rest of a line say
    nothing in a view of plain lines. Everything else that starts with an escape stays visible.
    """
    return clean_line(COLOUR_CODE.sub("", line) if "\x1b" in line else line)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"
