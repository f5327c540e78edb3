"""Commands for any POSIX shell: names as words, and bytes through a channel that only carries text."""

from __future__ import annotations

import base64
import binascii
import re

from sandtui.client.shell_words import as_operand, word
from sandtui.fleet.files.names import FilesError, encode, is_text

MAX_COMMAND = 90_000
"""Characters of one command: the kernel takes 131,072 bytes for one argument."""

PACK = "{ if command -v base64 >/dev/null 2>&1; then base64; else od -An -v -tx1; fi; }"
"""Turns bytes into text, by what there is."""

_HEX = re.compile(rb"[0-9a-f]{2}(?:\s+[0-9a-f]{2})*")
_PLAIN = re.compile(r"[A-Za-z0-9/._-]")


class Words:
    """The words of one command. ``preamble`` sets the variables that some of them stand for."""

    def __init__(self) -> None:
        self.preamble = ""
        self._count = 0

    def add(self, text: str) -> str:
        """Return a word that the shell reads as this path, and no program as an option."""
        return self.exactly(as_operand(text))

    def exactly(self, text: str) -> str:
        """Return a word that the shell reads as exactly this text.

        Text that is no UTF-8 can't be part of a command: the shell makes it of octal numbers. The ``x`` keeps the
        line breaks at its end, which the shell would cut; a dash is a number too, for at the beginning it would be
        an option of printf.
        """
        if is_text(text):
            return word(text)
        self._count += 1
        octal = "".join(chr(b) if _PLAIN.match(chr(b)) and b != ord("-") else f"\\{b:03o}" for b in encode(text))
        self.preamble += f"w{self._count}=$(printf '{octal}x'); w{self._count}=${{w{self._count}%x}}; "
        return f'"$w{self._count}"'


def raw_word(text: str) -> bytes:
    """Return a word for a script that is a file, where every byte but NUL may stand."""
    return b"'" + encode(text).replace(b"'", b"'\\''") + b"'"


def unpack(text: str) -> bytes:
    """Return the bytes that :data:`PACK` has made text of.

    Raises:
        FilesError: it is neither of the two forms.
    """
    data = text.encode("ascii", "replace").strip()
    if _HEX.fullmatch(data):
        return bytes.fromhex(data.decode("ascii"))
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FilesError("what the sandbox answered is not what was asked for; it may have been cut") from None
