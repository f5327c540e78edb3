"""The part of DNS that rules for host names need: the name of a query and the addresses of a response (RFC 1035)."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

_MAX_JUMPS: Final = 20
_REFUSED: Final = 5
_NO_SUCH_NAME: Final = 3
_ANSWERED: Final = 0x84
_RECURSION: Final = 0x80
_ADDRESS, _ANY = 1, 255
_ANSWER_SECONDS: Final = 5
_OPCODE: Final = 0x78


def queried_name(message: bytes) -> str | None:
    """Return the host name that a message queries, in lower case, or None.

    Messages that another parser could read differently are None: pointers in a queried_name, and all but plain queries.
    """
    if len(message) < 12 or int.from_bytes(message[4:6], "big") != 1 or message[2] & _OPCODE:
        return None
    found = _name(message, 12)
    if found is None or found[1] - 12 != (len(found[0]) + 2 if found[0] else 1):
        return None
    return found[0]


def addresses(message: bytes) -> list[str]:
    """Return the IPv4 addresses in a response."""
    found: list[str] = []
    asked = _name(message, 12) if len(message) >= 12 else None
    if asked is None:
        return found
    at = asked[1] + 4
    for _ in range(int.from_bytes(message[6:8], "big")):
        name = _name(message, at)
        if name is None or name[1] + 10 > len(message):
            break
        at = name[1]
        kind, length = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 8 : at + 10], "big")
        data = message[at + 10 : at + 10 + length]
        if kind == 1 and len(data) == 4:
            found.append(socket.inet_ntoa(data))
        at += 10 + length
    return found


def refused(message: bytes) -> bytes:
    """Return the response that refuses a query."""
    return message[:2] + bytes((message[2] | 0x80, message[3] & 0xF0 | _REFUSED)) + message[4:]


def answer(message: bytes, address: str | None) -> bytes:
    """Return the response to a query, whose name has this address or does not exist.

    The message must be one that :func:`queried_name` understands.
    """
    found = _name(message, 12)
    if found is None or found[1] + 4 > len(message):
        return refused(message)
    end = found[1] + 4
    kind = int.from_bytes(message[end - 4 : end - 2], "big")
    record = b""
    if address is not None and kind in (_ADDRESS, _ANY):
        record = b"\xc0\x0c\0\1\0\1" + _ANSWER_SECONDS.to_bytes(4, "big") + b"\0\4" + socket.inet_aton(address)
    flags = bytes((message[2] & 1 | _ANSWERED, _RECURSION | (_NO_SUCH_NAME if address is None else 0)))
    counts = b"\0\1" + bool(record).to_bytes(2, "big") + bytes(4)
    return message[:2] + flags + counts + message[12:end] + record


def name_server(path: Path = Path("/etc/resolv.conf")) -> str | None:
    """Return the first IPv4 name server of the machine, or None."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                socket.inet_aton(words[1])
            except OSError:
                continue
            return words[1]
    return None


def _name(message: bytes, at: int) -> tuple[str, int] | None:
    labels: list[str] = []
    end = -1
    for _ in range(_MAX_JUMPS * 8):
        if at >= len(message):
            return None
        length = message[at]
        if length & 0xC0 == 0xC0:
            if at + 1 >= len(message):
                return None
            end = at + 2 if end < 0 else end
            at = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
            continue
        at += 1
        if not length:
            return ".".join(labels).lower(), at if end < 0 else end
        if length > 63 or at + length > len(message):
            return None
        labels.append(message[at : at + length].decode("latin-1"))
        at += length
    return None
