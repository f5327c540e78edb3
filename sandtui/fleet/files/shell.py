"""Building commands for any POSIX shell: quoted paths of any bytes, and binary output encoded as text."""

from __future__ import annotations

import base64
import binascii
import re

from sandtui.client.shell_words import as_operand, word
from sandtui.fleet.files.names import FilesError, encode, is_text

MAX_COMMAND = 90_000
"""Characters of one command: the kernel allows 131,072 bytes per argument."""

PACK = "{ if command -v base64 >/dev/null 2>&1; then base64; else od -An -v -tx1; fi; }"
"""Encodes bytes as text, with the tool that is available."""

_HEX = re.compile(rb"[0-9a-f]{2}(?:\s+[0-9a-f]{2})*")
_PLAIN = re.compile(r"[A-Za-z0-9/._-]")


class ShellArguments:
    """The quoted arguments of one command. ``preamble`` sets the variables that some of them use."""

    def __init__(self) -> None:
        self.preamble = ""
        self._count = 0

    def add(self, text: str) -> str:
        """Quote a path so that no program takes it for an option."""
        return self.exactly(as_operand(text))

    def exactly(self, text: str) -> str:
        """Quote a text.

        Text that is not UTF-8 can't be part of a command: the shell builds it from octal numbers. The ``x`` protects
        trailing newlines, which the shell would strip; a dash is encoded too, since a leading one would be an option
        of printf.
        """
        if is_text(text):
            return word(text)
        self._count += 1
        octal = "".join(chr(b) if _PLAIN.match(chr(b)) and b != ord("-") else f"\\{b:03o}" for b in encode(text))
        self.preamble += f"w{self._count}=$(printf '{octal}x'); w{self._count}=${{w{self._count}%x}}; "
        return f'"$w{self._count}"'


def raw_word(text: str) -> bytes:
    """Quote a text for a script file, which may contain any byte but NUL."""
    return b"'" + encode(text).replace(b"'", b"'\\''") + b"'"


def unpack(text: str) -> bytes:
    """Decode the output of :data:`PACK`.

    Raises:
        FilesError: it is neither base64 nor the output of ``od``.
    """
    data = text.encode("ascii", "replace").strip()
    if _HEX.fullmatch(data):
        return bytes.fromhex(data.decode("ascii"))
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FilesError("unexpected or incomplete output of a command in the sandbox: try again") from None
