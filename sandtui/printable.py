"""Text from outside as one line that is safe to draw: nothing in it moves the cursor or fools the eye.

Names, labels, paths, logs, errors and output come from strangers. Control characters (C0, C1, DEL), bidi controls and
lone surrogates become visible replacements; the result is drawn literally and never parsed as markup.
"""

from __future__ import annotations

import re

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


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"


def escaped(json_text: str) -> str:
    """Return JSON with each character that would not be safe to draw as ``\\uXXXX``: it means the same.

    Line breaks are left: JSON has them between its parts only.
    """
    return json_text if json_text.isascii() else _UNSAFE.sub(_escape, json_text)


def _escape(match: re.Match[str]) -> str:
    return match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}"
