"""The bytes that keys, the mouse and pasted text send to a program (xterm's ``ctlseqs``)."""

from __future__ import annotations

import re

from sandtui.terminal.modes import MOUSE_DRAGS, MOUSE_MOVES, Modes

_CURSOR = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_TILDE = {
    "insert": 2, "delete": 3, "pageup": 5, "pagedown": 6, "f5": 15, "f6": 17, "f7": 18, "f8": 19, "f9": 20,
    "f10": 21, "f11": 23, "f12": 24,
}  # fmt: skip
_F1_TO_F4 = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_SIMPLE = {"enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "space": " ", "newline": "\n"}
_CONTROL = {
    "at": "\x00", "@": "\x00", "space": "\x00",
    "left_square_bracket": "\x1b", "backslash": "\x1c", "right_square_bracket": "\x1d",
    "circumflex_accent": "\x1e", "underscore": "\x1f", "question_mark": "\x7f", "slash": "\x1f",
    "backspace": "\x08", "enter": "\r", "tab": "\t", "escape": "\x1b", "caret": "\x1e",
}  # fmt: skip
_UNSAFE_IN_PASTE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def key_bytes(key: str, character: str | None, modes: Modes) -> bytes:
    """Return the bytes that a key sends; empty if terminals have no such key.

    ``key`` is Textual's name, such as ``ctrl+shift+left``; ``character`` is the text that it types, if any.
    """
    *modifiers, name = key.split("+")
    if not name:
        name = "plus"
    shift, alt, control = ("shift" in modifiers, "alt" in modifiers, "ctrl" in modifiers)
    number = 1 + shift + 2 * alt + 4 * control
    if name in _CURSOR:
        if number > 1:
            return f"\x1b[1;{number}{_CURSOR[name]}".encode()
        return f"\x1b{'O' if modes.application_cursor else '['}{_CURSOR[name]}".encode()
    if name in _F1_TO_F4:
        return (f"\x1b[1;{number}{_F1_TO_F4[name]}" if number > 1 else f"\x1bO{_F1_TO_F4[name]}").encode()
    if name in _TILDE:
        return f"\x1b[{_TILDE[name]}{f';{number}' if number > 1 else ''}~".encode()
    if name == "tab" and shift:
        return b"\x1b[Z"
    text = ""
    if control:
        if len(name) == 1 and name.isascii() and name.isalpha():
            text = chr(ord(name.lower()) & 0x1F)
        else:
            text = _CONTROL.get(name, "")
    elif name in _SIMPLE:
        text = _SIMPLE[name]
    elif character is not None and (character.isprintable() or alt):
        text = character
    elif len(name) == 1:
        text = name
    return (("\x1b" + text) if alt and text else text).encode("utf-8", "replace")


def paste_bytes(text: str, modes: Modes) -> bytes:
    """Return the bytes that a paste sends. Controls are removed, so that the text cannot end the bracketed paste."""
    safe = _UNSAFE_IN_PASTE.sub("", text.replace("\r\n", "\r").replace("\n", "\r"))
    if modes.bracketed_paste:
        safe = f"\x1b[200~{safe}\x1b[201~"
    return safe.encode("utf-8", "replace")


def mouse_bytes(
    kind: str, button: int, x: int, y: int, modes: Modes, *, alt: bool = False, control: bool = False
) -> bytes:
    """Return the bytes that a mouse event sends; empty unless the program has enabled it.

    ``kind`` is ``press``, ``release``, ``move`` or ``scroll``. ``button`` is 1 to 3; for scrolling, 1 is up and 2 is
    down; for moves, the pressed button or 0. ``x`` and ``y`` count from 0.
    """
    if not modes.mouse or (modes.mouse == 9 and kind != "press"):
        return b""
    if kind == "move" and not (modes.mouse == MOUSE_MOVES or (modes.mouse == MOUSE_DRAGS and button)):
        return b""
    if kind == "scroll":
        code = 63 + button
    elif kind == "move":
        code = 32 + (button - 1 if button else 3)
    else:
        code = button - 1
    code += 8 * alt + 16 * control
    if modes.mouse_sgr:
        return f"\x1b[<{code};{x + 1};{y + 1}{'m' if kind == 'release' else 'M'}".encode()
    if kind == "release":
        code = code & ~3 | 3
    if max(x, y) > 222:
        return b""
    return b"\x1b[M" + bytes((32 + code, 33 + x, 33 + y))


def focus_bytes(focused: bool, modes: Modes) -> bytes:
    """Return the bytes that are sent when the terminal gets or loses the focus."""
    return (b"\x1b[I" if focused else b"\x1b[O") if modes.focus_events else b""
