"""What is asked before files are copied to or from several sandboxes, or deleted: what, how large, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandtui.fleet.files.entry import FileEntry
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.units import size_text

MOST_NAMED = 200
"""Entries that are listed; the others are counted."""


def copy_text(entries: Sequence[FileEntry], sizes: Mapping[str, int], target: str, names: Sequence[str]) -> str:
    """Return the question before copies between this machine and several sandboxes; ``target`` is the directory."""
    boxes = ", ".join(_line(name) for name in names)
    return "\n".join([*_what(entries, sizes), "", f"to {_line(target)}", f"sandboxes: {boxes}"])


def delete_text(entries: Sequence[FileEntry], sizes: Mapping[str, int], machine: str, path: str) -> str:
    """Return the question before entries of a directory are deleted; ``sizes`` are those of measured directories."""
    folders = sum(entry.is_folder and not entry.target for entry in entries)
    inside = ["Directories are deleted with all that is in them."] if folders else []
    return "\n".join([*_what(entries, sizes), "", f"in {_line(machine)} {_line(path)}", *inside])


def _what(entries: Sequence[FileEntry], sizes: Mapping[str, int]) -> list[str]:
    rows = []
    for entry in entries[:MOST_NAMED]:
        size = _size(entry, sizes)
        after = "" if size is None else f"  {size_text(size)}"
        rows.append(_line(entry.name) + ("/" if entry.is_folder else "") + after)
    if len(entries) > MOST_NAMED:
        rows.append(f"and {len(entries) - MOST_NAMED:,} more")
    if len(entries) > 1:
        known = [size for entry in entries if (size := _size(entry, sizes)) is not None]
        unknown = len(entries) - len(known)
        folders = f" and {unknown:,} director{'y' if unknown == 1 else 'ies'}" if unknown else ""
        rows.append(f"together {size_text(sum(known))}{folders}" if known else f"together {folders[5:]}")
    return rows


def _size(entry: FileEntry, sizes: Mapping[str, int]) -> int | None:
    return sizes.get(entry.name) if entry.is_folder else entry.size


def _line(text: str) -> str:
    """Return a text from outside as one line."""
    return clean(text).replace("\n", " ")
