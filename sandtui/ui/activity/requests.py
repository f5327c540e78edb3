"""The requests behind an entry of the activity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sandtui.fleet.activity.entry import Entry
from sandtui.fleet.activity.requests import Request, curl_line
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Content, Piece, content, fit, lines, width_of
from sandtui.ui.rendering.units import clock_time

METHOD_WIDTH, HEAD_SHOWN = 7, 14


def request_pieces(request: Request, width: int) -> list[Piece]:
    """Return one line: sign, method, path, and on the right what came of it, and how often it was sent."""
    took = f"{request.milliseconds:,} ms"
    tries = f" ×{request.attempts}" if request.attempts > 1 else ""
    end = f"{request.status if request.status is not None else 'no reply'}"
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
    """Return a path in so many cells: its end says what was asked, so the middle goes."""
    if width_of(path) > room:
        path = f"{path[:HEAD_SHOWN]}…{path[-(room - HEAD_SHOWN - 1) :]}"
    return fit(path, room)


def request_details(request: Request, now: datetime) -> Content:
    """Return all that is known of one."""
    facts = [clock_time(request.moment, now)]
    facts += [f"{request.attempts} attempts"] if request.attempts > 1 else []
    facts += [f"the platform calls it {clean(request.request_id)}"] if request.request_id else []
    facts += ["by the sandbox's token"] if request.by_token else ["by the API key"]
    rows = [content(Piece(" · ".join(facts), "dim"))]
    if request.problem:
        rows.append(content(Piece(f"✖ {clean(request.problem)}", "bad")))
    rows.append(content(Piece(clean(curl_line(request)))))
    if request.by_token:
        rows.append(content(Piece("SANDBOX_TOKEN: POST …/sandbox/<id>/auth gives one for a while.", "dim")))
    return lines(rows)


def behind(entry: Entry, shown: Sequence[Request]) -> Content:
    """Return what is said of an entry above its requests."""
    rows = [content(Piece(clean(entry.text), "bright"))]
    if not entry.requests:
        words = "no request was made for it"
    else:
        words = f"{entry.requests:,} request{'s' * (entry.requests > 1)}"
        words += f", {entry.failed:,} failed" if entry.failed else ""
        if entry.requests > len(shown):
            words += f"; the first and those that failed are kept: {len(shown):,}"
    rows.append(content(Piece(f"{clean(entry.context)} · {words}" if entry.context else words, "dim")))
    return lines(rows)
