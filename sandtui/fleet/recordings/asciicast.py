"""The asciicast format, version 2: a header line and one line per event, all JSON.

https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["o", "r"]
"""Output and resize events: other kinds are not written, and ignored when reading."""

MAX_SIDE = 1000


@dataclass(frozen=True, slots=True)
class CastHeader:
    """The header. ``timestamp`` is the Unix time of the start; ``title`` is not safe to draw."""

    width: int
    height: int
    timestamp: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class CastEvent:
    """An event ``at`` seconds after the start: output, or a new size such as ``80x24``."""

    at: float
    kind: Kind
    data: str

    @property
    def size(self) -> tuple[int, int] | None:
        """The new size of a resize event."""
        width, _, height = self.data.partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(self.data) < 12):
            return None
        return (int(width), int(height)) if 0 < int(width) <= MAX_SIDE and 0 < int(height) <= MAX_SIDE else None


def header_line(header: CastHeader) -> str:
    """Serialize a header."""
    values = {"version": 2, "width": header.width, "height": header.height, "timestamp": header.timestamp}
    return json.dumps({**values, "title": header.title, "env": {"TERM": "xterm-256color"}}) + "\n"


def event_line(event: CastEvent) -> str:
    """Serialize an event."""
    return json.dumps([round(event.at, 6), event.kind, event.data]) + "\n"


def parse_header(line: str) -> CastHeader:
    """Parse the header line.

    Raises:
        ValueError: it is not a recording in this format; the message says why.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not an asciicast file: the first line is not JSON") from None
    if not isinstance(values, dict) or values.get("version") != 2:
        raise ValueError("unsupported asciicast version: only version 2 can be played")
    width, height = values.get("width"), values.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError("the recording has no terminal size")
    timestamp, title = values.get("timestamp"), values.get("title")
    return CastHeader(
        width, height, timestamp if isinstance(timestamp, int) else 0, title if isinstance(title, str) else ""
    )


def parse_event(line: str) -> CastEvent | None:
    """Parse an event line; None for an invalid one (such as the last line of a truncated file) or another kind."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match values:
        case [int() | float() as at, "o" | "r" as kind, str() as data] if math.isfinite(at) and at >= 0:
            return CastEvent(float(at), kind, data)
    return None
