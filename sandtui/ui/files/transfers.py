"""Rendering of transfers: a row each in the queue, and a summary for every screen."""

from __future__ import annotations

from sandtui.fleet.files.names import base
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.model import Location, Transfer, TransferSpec, TransferState, TransferTotals
from sandtui.ui.rendering.text import Piece, Role, fit, fit_middle
from sandtui.ui.rendering.units import long_duration, size_text

SIGNS: dict[TransferState, tuple[str, Role]] = {
    TransferState.QUEUED: ("…", "dim"),
    TransferState.COUNTING: ("◌", "waiting"),
    TransferState.ASKING: ("?", "busy"),
    TransferState.RUNNING: ("◐", "info"),
    TransferState.PAUSED: ("‖", "info"),
    TransferState.DONE: ("✓", "good"),
    TransferState.FAILED: ("✖", "bad"),
    TransferState.CANCELLED: ("○", "dim"),
}
BAR = 20
NAMES_SHOWN = 2
SIZE, SPEED, LEFT = 9, 11, 8


def transfer_pieces(transfer: Transfer, width: int, answer_key: str) -> list[Piece]:
    """Return one row of the queue; ``answer_key`` is the key to answer its question."""
    sign, role = SIGNS[transfer.state]
    bar = BAR if width >= 100 else 8
    wide = width >= 100
    fixed = 6 + SIZE + 1 + bar + 5 + (SPEED + LEFT + 2 if wide else LEFT + 1)
    name = max(16, width - fixed)
    pieces = [
        Piece(f"{arrow(transfer.spec)} ", "dim"),
        Piece(f"{sign} ", role),
        Piece(fit_middle(way_text(transfer.spec), name), "dim" if transfer.is_over else "text"),
        Piece(" " + fit(size_text(transfer.total) if transfer.total else "", SIZE, right=True) + " "),
    ]
    if transfer.state in {TransferState.RUNNING, TransferState.PAUSED}:
        done = int(transfer.fraction * bar)
        pieces += [
            Piece("█" * done, "good" if transfer.state is TransferState.RUNNING else "info"),
            Piece("░" * (bar - done), "dim"),
        ]
        pieces.append(Piece(f" {transfer.fraction:4.0%}"))
        if wide:
            pieces.append(Piece(" " + fit(f"{size_text(transfer.rate)}/s" if transfer.rate else "", SPEED, right=True)))
        left = long_duration(transfer.left) if transfer.left is not None else ""
        text = "paused" if transfer.state is TransferState.PAUSED else left
        pieces.append(
            Piece(" " + fit(text, LEFT, right=True), "info" if transfer.state is TransferState.PAUSED else "text")
        )
        return pieces
    rest = bar + 5 + (SPEED + LEFT + 2 if wide else LEFT + 1)
    pieces.append(Piece(fit(status_text(transfer, answer_key), rest), role))
    return pieces


def status_text(transfer: Transfer, answer_key: str) -> str:
    """Return the status text of a transfer that is not being copied."""
    if transfer.state is TransferState.FAILED:
        return clean(transfer.problem)
    if transfer.state is TransferState.ASKING:
        return f"{transfer.conflicts} conflict{'s' * (transfer.conflicts != 1)} · {answer_key}"
    if transfer.state is TransferState.COUNTING:
        return "counting …"
    if transfer.state is TransferState.DONE:
        return " · ".join(_done(transfer))
    return clean(transfer.problem) or transfer.state.value


def _done(transfer: Transfer) -> list[str]:
    """Return what was done, with skipped items first, since the end may be cut off."""
    counts = [
        (transfer.left_out, f"special {_files(transfer.left_out)} skipped"),
        (transfer.files, _files(transfer.files)),
        (transfer.links, "link" if transfer.links == 1 else "links"),
        (transfer.permissions, "permissions"),
        (transfer.skipped, "skipped"),
        (transfer.deleted, "deleted"),
    ]
    parts = [f"{count:,} {text}" for count, text in counts if count]
    if transfer.files:
        parts.append("sha256 verified" if transfer.spec.checksum else "sizes verified")
    elif not (transfer.links or transfer.permissions):
        parts.insert(0, "nothing to copy")
    return parts


def way_text(spec: TransferSpec) -> str:
    """Return source and target."""
    source, target = spec.source, spec.target
    name = clean(base(source.path))
    goal = _folder(target)
    if spec.names:
        name = ", ".join(map(clean, spec.names[:NAMES_SHOWN]))
        name += f" +{len(spec.names) - NAMES_SHOWN:,}" if len(spec.names) > NAMES_SHOWN else ""
        goal = clean(target.path.rstrip("/")) + "/"
    if source.sandbox_id is not None:
        name = f"{clean(source.name)}:…/{name}"
    return f"{name} → {clean(target.name)}:{goal}" if target.sandbox_id is not None else f"{name} → {goal}"


def arrow(spec: TransferSpec) -> str:
    """Return the direction as a sign: up to a sandbox, down from one, across between two."""
    if spec.source.sandbox_id is None:
        return "↑"
    return "↓" if spec.target.sandbox_id is None else "⇄"


def queue_title(totals: TransferTotals) -> str:
    """Return a summary of the counts."""
    counts = (
        (totals.active, "active"),
        (totals.queued, "queued"),
        (totals.asking, "asking"),
        (totals.paused, "paused"),
        (totals.failed, "failed"),
        (totals.done, "done"),
    )
    return "Transfers  " + " · ".join(f"{count} {word}" for count, word in counts if count)


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _folder(place: Location) -> str:
    folder, _, _ = place.path.rpartition("/")
    return clean(folder) + "/"
