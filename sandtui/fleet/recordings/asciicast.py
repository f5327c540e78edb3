"""The asciicast format, version 2: a header line and a line for each event, all of them JSON.

https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["o", "r"]
"""Output, or a change of size: what else the format knows is not written and left out when it is read."""

MAX_SIDE = 1000


@dataclass(frozen=True, slots=True)
class Header:
    """What a recording is. ``timestamp`` is the Unix time of its beginning; ``title`` is not safe to draw."""

    width: int
    height: int
    timestamp: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened ``at`` seconds after the beginning: text that was written, or a size as ``80x24``."""

    at: float
    kind: Kind
    data: str

    @property
    def size(self) -> tuple[int, int] | None:
        """The new size, for a change of size."""
        width, _, height = self.data.partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(self.data) < 12):
            return None
        return (int(width), int(height)) if 0 < int(width) <= MAX_SIDE and 0 < int(height) <= MAX_SIDE else None


def header_line(header: Header) -> str:
    """Return the first line of a file."""
    values = {"version": 2, "width": header.width, "height": header.height, "timestamp": header.timestamp}
    return json.dumps({**values, "title": header.title, "env": {"TERM": "xterm-256color"}}) + "\n"


def event_line(event: Event) -> str:
    """Return the line of an event."""
    return json.dumps([round(event.at, 6), event.kind, event.data]) + "\n"


def parse_header(line: str) -> Header:
    """Read the first line.

    Raises:
        ValueError: it is not a recording in this format; the text says why.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("this is no asciicast: its first line is no JSON") from None
    if not isinstance(values, dict) or values.get("version") != 2:
        raise ValueError("only version 2 of the asciicast format can be played")
    width, height = values.get("width"), values.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError("the recording does not say the size of its terminal")
    timestamp, title = values.get("timestamp"), values.get("title")
    return Header(
        width, height, timestamp if isinstance(timestamp, int) else 0, title if isinstance(title, str) else ""
    )


def parse_event(line: str) -> Event | None:
    """Read a later line; None for one that is broken (a recording that was cut off ends so) or of another kind."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match values:
        case [int() | float() as at, "o" | "r" as kind, str() as data] if math.isfinite(at) and at >= 0:
            return Event(float(at), kind, data)
    return None
