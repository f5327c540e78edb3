"""Rendering of the API requests of an activity entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Request, curl_line
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Content, Piece, content, fit, lines, width_of
from sandtui.ui.rendering.units import clock_time

METHOD_WIDTH, HEAD_SHOWN = 7, 14


def request_pieces(request: Request, width: int) -> list[Piece]:
    """Return one row: sign, method and path, and on the right the result and the number of attempts."""
    took = f"{request.milliseconds:,} ms"
    tries = f" ×{request.attempts}" if request.attempts > 1 else ""
    end = f"{request.status if request.status is not None else 'no response'}"
    right = f"{end:>8} {took:>9}{tries:<4}"
    path = _middle(clean(request.path), max(24, width - METHOD_WIDTH - width_of(right) - 4))
    sign = Piece(" ✖ ", "bad") if request.failed else Piece("   ")
    return [
        sign,
        Piece(f"{clean(request.method):<{METHOD_WIDTH}}", "dim"),
        Piece(path),
        Piece(right, "bad" if request.failed else "dim"),
    ]


def _middle(path: str, room: int) -> str:
    """Shorten a path to a width by cutting its middle, since its end identifies the request."""
    if width_of(path) > room:
        path = f"{path[:HEAD_SHOWN]}…{path[-(room - HEAD_SHOWN - 1) :]}"
    return fit(path, room)


def request_details(request: Request, now: datetime) -> Content:
    """Return the details of a request."""
    facts = [clock_time(request.moment, now)]
    facts += [f"{request.attempts} attempts"] if request.attempts > 1 else []
    facts += [f"request id {clean(request.request_id)}"] if request.request_id else []
    facts += ["auth: sandbox token"] if request.by_token else ["auth: API key"]
    rows = [content(Piece(" · ".join(facts), "dim"))]
    if request.problem:
        rows.append(content(Piece(f"✖ {clean(request.problem)}", "bad")))
    rows.append(content(Piece(clean(curl_line(request)))))
    if request.by_token:
        rows.append(content(Piece("Get a short-lived SANDBOX_TOKEN with POST …/sandbox/<id>/auth", "dim")))
    return lines(rows)


def behind(entry: ActivityEntry, shown: Sequence[Request]) -> Content:
    """Return the heading of an entry's requests."""
    rows = [content(Piece(clean(entry.text), "bright"))]
    if not entry.requests:
        text = "No API request"
    else:
        text = f"{entry.requests:,} request{'s' * (entry.requests > 1)}"
        text += f", {entry.failed:,} failed" if entry.failed else ""
        if entry.requests > len(shown):
            text += f" (showing {len(shown):,}: the first ones and all failures)"
    rows.append(content(Piece(f"{clean(entry.context)} · {text}" if entry.context else text, "dim")))
    return lines(rows)
