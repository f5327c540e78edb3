"""Rendering of a directory: names, sizes, times, permissions."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

from sandtui.fleet.files.entry import FileEntry, FileKind
from sandtui.fleet.files.pane import UP, Pane
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, fit, fit_middle, sort_arrow
from sandtui.ui.rendering.units import duration, size_text

SIZE, MODIFIED, PERMISSIONS = 9, 12, 4
WIDE_PANE = 50
"""Width from which a pane has all columns, in cells."""


def modified_text(moment: int, now: datetime) -> str:
    """Format a modification time: with the time of day if it is less than half a year ago."""
    try:
        then = datetime.fromtimestamp(moment, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return "?"
    here = now.astimezone()
    if then.date() == here.date():
        return then.strftime("today %H:%M")
    return then.strftime("%b %d %H:%M" if abs((here - then).days) < 180 else "%b %d  %Y")


def entry_pieces(entry: FileEntry, width: int, now: datetime, measured: int | None = None) -> list[Piece]:
    """Return one row of a pane; ``measured`` is the calculated size of a directory."""
    wide = width >= WIDE_PANE - 3
    taken = SIZE + 1 + (MODIFIED + 1 + PERMISSIONS + 1 if wide else 0)
    name = clean(entry.name)
    role = "text"
    if entry.name == UP:
        return [Piece(fit("../", width), "dim")]
    if entry.kind is FileKind.LINK:
        role = "bad" if entry.leads_to is None else "info"
        name += f" → {clean(entry.target)}" if entry.target else " →"
    elif entry.kind is FileKind.FOLDER:
        name, role = name + "/", "key"
    elif entry.kind is FileKind.OTHER:
        name, role = name + _sign(entry.mode), "busy"
    elif entry.permissions & 0o111:
        role = "good"
    if entry.is_hidden and role == "text":
        role = "dim"
    count = entry.size if entry.kind is FileKind.FILE else measured
    size = "" if count is None else size_text(count)
    pieces = [Piece(fit_middle(name, max(1, width - taken)) + " ", role), Piece(fit(size, SIZE, right=True))]  # type: ignore[arg-type]
    if wide:
        pieces.append(Piece(" " + fit(modified_text(entry.modified, now), MODIFIED), "dim"))
        pieces.append(Piece(f" {entry.permissions:03o}".ljust(PERMISSIONS + 1), "dim"))
    return pieces


def head_pieces(pane: Pane, width: int) -> list[Piece]:
    """Return the column headings with the sort arrow."""
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
    """Return the title of a pane: machine and path."""
    path = clean(pane.path)
    name = clean(pane.title)
    if len(name) + len(path) + 2 > room:
        path = "…" + path[-max(1, room - len(name) - 3) :]
    return f"{name}  {path}"


def state_text(pane: Pane, now: float) -> str:
    """Return the number of items and the age of the listing."""
    if pane.listing is None:
        return ""
    count = sum(row.name != UP for row in pane.rows)
    hidden = 0 if pane.hidden else sum(entry.is_hidden for entry in pane.listing.entries)
    total = len(pane.listing.entries) - hidden
    items = "item" if total == 1 else "items"
    text = f"{count:,} {items}" if count == total else f"{count:,} of {total:,} {items}"
    text += f" · {hidden:,} hidden" if hidden else ""
    if pane.side.sandbox_id is not None and pane.listed_at is not None:
        text += " · loading…" if pane.loading else f" · {duration(now - pane.listed_at)} ago"
    return text


def foot_pieces(pane: Pane) -> list[Piece]:
    """Return the footer of a pane: marks, free space, problems."""
    if pane.problem:
        return [Piece(f" ✖ {clean(pane.problem)}", "bad")]
    pieces: list[Piece] = []
    if pane.filter:
        pieces.append(Piece(f" filter: {clean(pane.filter)}  ", "busy"))
    if pane.marks:
        pieces.append(Piece(f" {len(pane.marks)} marked · {size_text(pane.marked_size)}  ", "key"))
    listing = pane.listing
    if listing is not None and listing.refused:
        pieces.append(Piece(f" ✖ {listing.refused} unsafe names skipped ", "bad"))
    if listing is not None and listing.free is not None and listing.capacity:
        pieces.append(Piece(f" free {size_text(listing.free)} of {size_text(listing.capacity)}", "dim"))
    return pieces


def permissions_text(mode: int) -> str:
    """Format permissions as ``ls`` does, with the octal mode."""
    return f"{stat.filemode(mode)}  {stat.S_IMODE(mode):04o}"


def _sign(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "|"
    return "=" if stat.S_ISSOCK(mode) else " (device)"
