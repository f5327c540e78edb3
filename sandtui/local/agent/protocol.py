"""The framing between platform and agent: a length, then one JSON object; descriptors ride along."""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_MESSAGE = 4 * 1024 * 1024
"""Neither side accepts more: each treats what the other sends as untrusted."""

MAX_FDS = 4
"""The most descriptors that one message carries."""

_HEADER = struct.Struct("!I")


class ProtocolError(Exception):
    """The other side sent something that is no message."""


def encode(message: dict[str, Any]) -> bytes:
    """Return the frame of a message."""
    body = json.dumps(message).encode("ascii")
    if len(body) > MAX_MESSAGE:
        raise ProtocolError(f"a message of {len(body)} bytes is over the limit of {MAX_MESSAGE}")
    return _HEADER.pack(len(body)) + body


class Decoder:
    """Turns a byte stream back into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        self._buffer += data

    def next(self) -> dict[str, Any] | None:
        """Return the next whole message, or None while it is incomplete."""
        if len(self._buffer) < _HEADER.size:
            return None
        (length,) = _HEADER.unpack_from(self._buffer)
        if length > MAX_MESSAGE:
            raise ProtocolError(f"a message of {length} bytes is over the limit of {MAX_MESSAGE}")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ProtocolError("a message is not JSON") from error
        if not isinstance(message, dict):
            raise ProtocolError("a message is not a JSON object")
        return message
