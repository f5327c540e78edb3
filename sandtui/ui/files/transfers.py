"""How transfers look: one line each in the queue, and one for all of them on every screen."""

from __future__ import annotations

from sandtui.fleet.files.names import base
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.model import Place, Spec, State, Totals, Transfer
from sandtui.ui.rendering.text import Piece, Role, fit
from sandtui.ui.rendering.units import long_duration, size_text

SIGNS: dict[State, tuple[str, Role]] = {
    State.QUEUED: ("…", "dim"),
    State.COUNTING: ("◌", "waiting"),
    State.ASKING: ("?", "busy"),
    State.RUNNING: ("◐", "busy"),
    State.PAUSED: ("‖", "info"),
    State.DONE: ("✓", "good"),
    State.FAILED: ("✖", "bad"),
    State.CANCELLED: ("○", "dim"),
}
BAR = 20
NAMES_SHOWN = 2
SIZE, SPEED, LEFT = 9, 11, 8


def transfer_pieces(transfer: Transfer, width: int, answer_key: str) -> list[Piece]:
    """Return one line of the queue; ``answer_key`` answers what is asked."""
    sign, role = SIGNS[transfer.state]
    bar = BAR if width >= 100 else 8
    wide = width >= 100
    fixed = 6 + SIZE + 1 + bar + 5 + (SPEED + LEFT + 2 if wide else LEFT + 1)
    name = max(16, width - fixed)
    pieces = [
        Piece(f"{arrow(transfer.spec)} ", "dim"),
        Piece(f"{sign} ", role),
        Piece(fit(way_text(transfer.spec), name), "dim" if transfer.is_over else "text"),
        Piece(" " + fit(size_text(transfer.total) if transfer.total else "", SIZE, right=True) + " "),
    ]
    if transfer.state in {State.RUNNING, State.PAUSED}:
        done = int(transfer.fraction * bar)
        pieces += [
            Piece("█" * done, "good" if transfer.state is State.RUNNING else "info"),
            Piece("░" * (bar - done), "dim"),
        ]
        pieces.append(Piece(f" {transfer.fraction:4.0%}"))
        if wide:
            pieces.append(Piece(" " + fit(f"{size_text(transfer.rate)}/s" if transfer.rate else "", SPEED, right=True)))
        left = long_duration(transfer.left) if transfer.left is not None else ""
        words = "paused" if transfer.state is State.PAUSED else left
        pieces.append(Piece(" " + fit(words, LEFT, right=True), "info" if transfer.state is State.PAUSED else "text"))
        return pieces
    rest = bar + 5 + (SPEED + LEFT + 2 if wide else LEFT + 1)
    pieces.append(Piece(fit(words_of(transfer, answer_key), rest), role))
    return pieces


def words_of(transfer: Transfer, answer_key: str) -> str:
    """Return in words how a transfer stands that is not being copied."""
    if transfer.state is State.FAILED:
        return clean(transfer.problem)
    if transfer.state is State.ASKING:
        return f"{transfer.conflicts} {_files(transfer.conflicts)} there already: {answer_key} answers"
    if transfer.state is State.COUNTING:
        return "counting …"
    if transfer.state is State.DONE:
        return " · ".join(_done(transfer))
    return clean(transfer.problem) or transfer.state.value


def _done(transfer: Transfer) -> list[str]:
    """Return what was done; first of all what was not, for the end is cut off where there is little room."""
    counts = [
        (transfer.left_out, f"special {_files(transfer.left_out)} left out"),
        (transfer.files, _files(transfer.files)),
        (transfer.links, "link" if transfer.links == 1 else "links"),
        (transfer.permissions, "permissions"),
        (transfer.skipped, "skipped"),
        (transfer.deleted, "deleted"),
    ]
    parts = [f"{count:,} {words}" for count, words in counts if count]
    if transfer.files:
        parts.append("sha256 verified" if transfer.spec.checksum else "sizes agree")
    elif not (transfer.links or transfer.permissions):
        parts.insert(0, "nothing to copy")
    return parts


def way_text(spec: Spec) -> str:
    """Return from where to where."""
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


def arrow(spec: Spec) -> str:
    """Return the direction as a sign: up into a sandbox, down from one, across between two."""
    if spec.source.sandbox_id is None:
        return "↑"
    return "↓" if spec.target.sandbox_id is None else "⇄"


def queue_title(totals: Totals) -> str:
    """Return how many there are of each kind."""
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


def _folder(place: Place) -> str:
    folder, _, _ = place.path.rpartition("/")
    return clean(folder) + "/"
