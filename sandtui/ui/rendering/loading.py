"""What a list shows before it is loaded, or if it can't be."""

from __future__ import annotations

from sandtui.fleet.load_state import LoadPhase, LoadState
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece


def load_pieces(state: LoadState, what: str, retry: str) -> list[Piece]:
    """Return the line of a list that isn't loaded; nothing if it is.

    ``what`` names the content, as in "jobs"; ``retry`` is the key that loads it again.
    """
    if state.phase is LoadPhase.LOADED:
        return []
    if state.phase is LoadPhase.FAILED:
        # The key comes first: the reason may be longer than the line.
        return [
            Piece(f" ✖ {what[:1].upper()}{what[1:]} not loaded   ", "bad"),
            Piece(retry, "key"),
            Piece(" to retry", "dim"),
            Piece(f"   {clean(state.detail)}" if state.detail else "", "bad"),
        ]
    detail = f"   {clean(state.detail)}" if state.detail else ""
    return [Piece(f" ◌ Loading {what}…", "waiting"), Piece(detail, "dim")]


def why_not_loaded(state: LoadState, what: str, retry: str) -> str:
    """Return why an action on the content is not possible, or an empty text if it is loaded."""
    if state.phase is LoadPhase.LOADED:
        return ""
    if state.phase is LoadPhase.FAILED:
        reason = f": {clean(state.detail)}" if state.detail else ""
        return f"{what[:1].upper()}{what[1:]} not loaded{reason}. Press {retry} to retry"
    return f"Still loading {what}"
