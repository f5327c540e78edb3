"""The summary of background work in the status line: transfers, jobs and port forwards."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.fleet.jobs.job import Job, JobState
from sandtui.fleet.transfers.model import TransferTotals
from sandtui.ui.rendering.text import Piece
from sandtui.ui.rendering.units import long_duration


def work_pieces(jobs: int, forwards: int) -> list[Piece]:
    """Return the numbers of running jobs and active port forwards."""
    pieces = [Piece(f"⚙ {jobs} {'job' if jobs == 1 else 'jobs'}   ", "info")] if jobs else []
    if forwards:
        pieces.append(Piece(f"⇄ {forwards} {'forward' if forwards == 1 else 'forwards'}   ", "info"))
    return pieces


def ended_pieces(jobs: Sequence[Job]) -> list[Piece]:
    """Return the numbers of jobs that have ended unseen, those that did not succeed apart."""
    done = sum(job.state is JobState.DONE for job in jobs)
    failed = len(jobs) - done
    pieces = [Piece(f"✖ {failed} {'job' if failed == 1 else 'jobs'} failed   ", "bad")] if failed else []
    if done:
        pieces.append(Piece(f"✓ {done} {'job' if done == 1 else 'jobs'} done   ", "good"))
    return pieces


def summary_pieces(totals: TransferTotals) -> list[Piece]:
    """Return the state of the transfers; empty if there are none."""
    pieces: list[Piece] = []
    if totals.active or totals.queued:
        count = totals.active + totals.queued
        left = f" {long_duration(totals.left)}" if totals.left is not None else ""
        pieces.append(
            Piece(f"⇅ {count} {'transfer' if count == 1 else 'transfers'} {totals.fraction:.0%}{left}  ", "busy")
        )
    if totals.asking:
        pieces.append(Piece(f"? {totals.asking} waiting for you  ", "busy"))
    if totals.paused:
        pieces.append(Piece(f"‖ {totals.paused} paused  ", "info"))
    if totals.failed:
        pieces.append(Piece(f"✖ {totals.failed} failed  ", "bad"))
    return pieces
