"""Rendering of the list of recordings and of the player's progress."""

from __future__ import annotations

from datetime import UTC, datetime

from sandtui.config.recordings import Recording
from sandtui.fleet.recordings.player import Player
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, fit, fit_middle, width_of
from sandtui.ui.rendering.units import duration, size_text

NAME = 40
NARROW_NAME = 22


def head(width: int) -> list[Piece]:
    """Return the column headings."""
    return [Piece(f"  {'RECORDED':<18} {'NAME':<{_name(width)}} {'SIZE':>8}  {'TERMINAL':<9}", "dim")]


def line(recording: Recording, width: int) -> list[Piece]:
    """Return one row of at most ``width`` cells."""
    header = recording.header
    moment = _moment(header.timestamp) if header is not None else ""
    name = clean((header.title if header is not None else "") or recording.path.name)
    pieces = [
        Piece(f" {moment:<18} ", "dim"),
        Piece(f"{fit_middle(name, _name(width))} ", "text" if header is not None else "dim"),
        Piece(f"{size_text(recording.size):>8}  ", "text"),
    ]
    room = width - sum(width_of(piece.text) for piece in pieces)
    if header is None:
        return [*pieces, Piece(fit(clean(recording.problem), room), "bad")]
    if recording.unfinished:
        size = f"{header.width}x{header.height}"
        return [*pieces, Piece(f"{size:<9} ", "dim"), Piece(fit("incomplete", room - 10), "busy")]
    return [*pieces, Piece(f"{header.width}x{header.height}", "dim")]


def progress(player: Player, width: int) -> tuple[list[Piece], list[Piece]]:
    """Return the progress bar and the state of a player."""
    sign = Piece("‖ " if player.paused else "✓ " if player.at_end else "▶ ", "busy" if player.paused else "good")
    times = f"{_clock(player.position)} of {_clock(player.length)}"
    columns, lines = player.terminal.size
    state = [Piece(f"{columns}x{lines}  ", "dim"), Piece(f"{player.speed:g}x", "info")]
    room = max(10, width - len(times) - 28)
    done = round(room * (player.position / player.length if player.length else 1.0))
    bar = [Piece("━" * done, "key"), Piece("─" * (room - done), "dim")]
    return [sign, Piece(f"{times}  "), *bar], state


def _name(width: int) -> int:
    return NAME if width >= 100 else NARROW_NAME


def _moment(timestamp: int) -> str:
    try:
        return f"{datetime.fromtimestamp(timestamp, UTC).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "?"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}" if seconds < 3600 else duration(seconds)
