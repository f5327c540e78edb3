"""What goes on behind every screen: transfers, jobs and forwards."""

from __future__ import annotations

from sandtui.fleet.transfers.model import Totals
from sandtui.ui.rendering.text import Piece
from sandtui.ui.rendering.units import long_duration


def work_pieces(jobs: int, forwards: int) -> list[Piece]:
    """Return what goes on behind every screen: jobs that run and ports that are forwarded."""
    pieces = [Piece(f"⚙ {jobs} {'job' if jobs == 1 else 'jobs'}   ", "info")] if jobs else []
    if forwards:
        pieces.append(Piece(f"⇄ {forwards} {'forward' if forwards == 1 else 'forwards'}   ", "info"))
    return pieces


def summary_pieces(totals: Totals) -> list[Piece]:
    """Return what every screen tells about the transfers; nothing when there is nothing to tell."""
    pieces: list[Piece] = []
    if totals.active or totals.queued:
        count = totals.active + totals.queued
        left = f" {long_duration(totals.left)}" if totals.left is not None else ""
        pieces.append(
            Piece(f"⇅ {count} {'transfer' if count == 1 else 'transfers'} {totals.fraction:.0%}{left}  ", "busy")
        )
    if totals.asking:
        pieces.append(Piece(f"? {totals.asking} asking  ", "busy"))
    if totals.paused:
        pieces.append(Piece(f"‖ {totals.paused} paused  ", "info"))
    if totals.failed:
        pieces.append(Piece(f"✖ {totals.failed} failed  ", "bad"))
    return pieces
