"""How a directory looks: names, sizes, times, permissions."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

from sandtui.fleet.files.entry import Entry, Kind
from sandtui.fleet.files.pane import UP, Pane
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, fit, sort_arrow
from sandtui.ui.rendering.units import duration, size_text

SIZE, MODIFIED, PERMISSIONS = 9, 12, 4
WIDE_PANE = 50
"""Cells from which a pane has all columns."""


def modified_text(moment: int, now: datetime) -> str:
    """Return when something was changed: with the time of day while that is less than half a year ago."""
    try:
        then = datetime.fromtimestamp(moment, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return "?"
    here = now.astimezone()
    if then.date() == here.date():
        return then.strftime("today %H:%M")
    return then.strftime("%b %d %H:%M" if abs((here - then).days) < 180 else "%b %d  %Y")


def entry_pieces(entry: Entry, width: int, now: datetime, measured: int | None = None) -> list[Piece]:
    """Return one line of a pane; ``measured`` is the size of a directory that was counted."""
    wide = width >= WIDE_PANE - 3
    taken = SIZE + 1 + (MODIFIED + 1 + PERMISSIONS + 1 if wide else 0)
    name = clean(entry.name)
    role = "text"
    if entry.name == UP:
        return [Piece(fit("../", width), "dim")]
    if entry.kind is Kind.LINK:
        role = "bad" if entry.leads_to is None else "info"
        name += f" → {clean(entry.target)}" if entry.target else " →"
    elif entry.kind is Kind.FOLDER:
        name, role = name + "/", "key"
    elif entry.kind is Kind.OTHER:
        name, role = name + _sign(entry.mode), "busy"
    elif entry.permissions & 0o111:
        role = "good"
    if entry.is_hidden and role == "text":
        role = "dim"
    count = entry.size if entry.kind is Kind.FILE else measured
    size = "" if count is None else size_text(count)
    pieces = [Piece(fit(name, max(1, width - taken)) + " ", role), Piece(fit(size, SIZE, right=True))]  # type: ignore[arg-type]
    if wide:
        pieces.append(Piece(" " + fit(modified_text(entry.modified, now), MODIFIED), "dim"))
        pieces.append(Piece(f" {entry.permissions:03o}".ljust(PERMISSIONS + 1), "dim"))
    return pieces


def head_pieces(pane: Pane, width: int) -> list[Piece]:
    """Return the line above the rows; an arrow shows the order."""
    wide = width >= WIDE_PANE
    arrow = sort_arrow(not pane.descending)

    def title(name: str, order: str) -> str:
        return name + (arrow if pane.order == order else "")

    taken = 3 + SIZE + 1 + (MODIFIED + 1 + PERMISSIONS + 1 if wide else 0)
    text = "   " + fit(title("NAME", "name") + ("  by kind" + arrow if pane.order == "kind" else ""), width - taken)
    text += " " + fit(title("SIZE", "size"), SIZE, right=True)
    if wide:
        text += " " + fit(title("MODIFIED", "modified"), MODIFIED) + " " + fit("PERM", PERMISSIONS)
    return [Piece(text, "dim")]


def title_text(pane: Pane, room: int) -> str:
    """Return what a pane is called: whose files, and where."""
    path = clean(pane.path)
    name = clean(pane.title)
    if len(name) + len(path) + 2 > room:
        path = "…" + path[-max(1, room - len(name) - 3) :]
    return f"{name}  {path}"


def state_text(pane: Pane, now: float) -> str:
    """Return how many items there are and how old that is."""
    if pane.loading and pane.listing is None:
        return "listing …"
    if pane.listing is None:
        return ""
    count = sum(row.name != UP for row in pane.rows)
    total = len(pane.listing.entries)
    items = "item" if total == 1 else "items"
    text = f"{count:,} {items}" if count == total else f"{count:,} of {total:,} {items}"
    if pane.side.sandbox_id is not None and pane.listed_at is not None:
        text += " · listing …" if pane.loading else f" · {duration(now - pane.listed_at)} ago"
    return text


def foot_pieces(pane: Pane) -> list[Piece]:
    """Return the line below the rows: marks, free space, what is wrong."""
    if pane.problem:
        return [Piece(f" ✖ {clean(pane.problem)}", "bad")]
    pieces: list[Piece] = []
    if pane.filter:
        pieces.append(Piece(f" filter: {clean(pane.filter)}  ", "busy"))
    if pane.marks:
        pieces.append(Piece(f" {len(pane.marks)} marked · {size_text(pane.marked_size)}  ", "key"))
    listing = pane.listing
    if listing is not None and listing.refused:
        pieces.append(Piece(f" ✖ {listing.refused} names would lead out of here: left out ", "bad"))
    if listing is not None and listing.free is not None and listing.capacity:
        pieces.append(Piece(f" free {size_text(listing.free)} of {size_text(listing.capacity)}", "dim"))
    return pieces


def permissions_text(mode: int) -> str:
    """Return permissions as ``ls`` writes them, with the octal number."""
    return f"{stat.filemode(mode)}  {stat.S_IMODE(mode):04o}"


def _sign(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "|"
    return "=" if stat.S_ISSOCK(mode) else " (device)"
