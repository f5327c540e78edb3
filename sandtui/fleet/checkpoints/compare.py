"""What differs between the files of two sandboxes: added, removed, changed by type, size or sha256."""

from __future__ import annotations

import asyncio
import difflib
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sandtui.fleet.files.entry import FileKind, TreeItem
from sandtui.fleet.files.listing import explain, read_tree, walk_command
from sandtui.fleet.files.names import FilesError, decode
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import PACK, ShellArguments, unpack

MAX_TEXT: Final = 1024 * 1024
"""Bytes of a file whose lines are compared."""

WALK_SECONDS: Final = 600
_GROUP: Final = 60_000
_SUM: Final = re.compile(rb"\\?([0-9a-f]{64}) [ *](.*)", re.DOTALL)


class Change(Enum):
    """How a path differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path that differs, with what it was and what it is; ``before`` is None if it was added."""

    path: str
    before: TreeItem | None
    after: TreeItem | None
    detail: str = ""
    """What of a changed one differs: its type, size, content, target or permissions."""

    @property
    def change(self) -> Change:
        """How it differs."""
        if self.before is None:
            return Change.ADDED
        return Change.REMOVED if self.after is None else Change.CHANGED

    @property
    def may_be_text(self) -> bool:
        """Whether lines of it can be compared: files of up to 1 MiB on the sides that have it."""
        sides = [side for side in (self.before, self.after) if side is not None]
        return all(side.kind is FileKind.FILE and side.size <= MAX_TEXT for side in sides)


async def compare(before: SandboxFileSystem, after: SandboxFileSystem, path: str) -> list[FileChange]:
    """Compare everything under a directory, on its file system only, by paths relative to it.

    Raises:
        FilesError: it cannot be read on one of the sides.
    """
    old, new = await asyncio.gather(_walk(before, path), _walk(after, path))
    return await _changes(before, after, path, old, new)


async def compare_file(before: SandboxFileSystem, after: SandboxFileSystem, path: str) -> list[FileChange]:
    """Compare one file, or what is in its place.

    Raises:
        FilesError: it exists on neither side, or cannot be read.
    """
    folder, _, name = path.rpartition("/")
    found = await asyncio.gather(before.stat(path), after.stat(path))
    if found[0] is None and found[1] is None:
        raise FilesError(f"{path}: no such file on either side")
    named = [None if item is None else TreeItem(name, item.mode, item.size, item.modified) for item in found]
    old, new = ({} if item is None else {name: item} for item in named)
    return await _changes(before, after, folder or "/", old, new)


async def _walk(side: SandboxFileSystem, path: str) -> dict[str, TreeItem]:
    # What is mounted below is not part of the sandbox's own files.
    command = walk_command(path, ShellArguments(), ". -xdev")
    response = await side.run(command, path, WALK_SECONDS)
    if response.exit_code != 0:
        raise explain(response.exit_code, path, response.stderr)
    items, _ = await asyncio.to_thread(read_tree, response.stdout)
    return {item.path: item for item in items}


async def _changes(
    before: SandboxFileSystem,
    after: SandboxFileSystem,
    path: str,
    old: Mapping[str, TreeItem],
    new: Mapping[str, TreeItem],
) -> list[FileChange]:
    found, same_size = [], []
    for name in {**old, **new}:
        first, second = old.get(name), new.get(name)
        detail = "" if first is None or second is None else _differs(first, second)
        if first is None or second is None or detail:
            found.append(FileChange(name, first, second, detail))
        elif first.kind is FileKind.FILE and first.size:
            same_size.append(name)
    sums = await asyncio.gather(_sums(before, path, same_size), _sums(after, path, same_size))
    for name in same_size:
        one, other = (side.get(name) for side in sums)
        # Without a sum, such as for a file that may not be read, only the time tells.
        unlike = one != other if one and other else old[name].modified != new[name].modified
        if unlike:
            found.append(FileChange(name, old[name], new[name], "content" if one and other else "time"))
    return sorted(found, key=lambda change: change.path.split("/"))


def _differs(before: TreeItem, after: TreeItem) -> str:
    if stat.S_IFMT(before.mode) != stat.S_IFMT(after.mode):
        return "type"
    if before.kind is FileKind.FILE and before.size != after.size:
        return "size"
    if before.kind is FileKind.LINK:
        return "target" if before.target != after.target else ""
    return "permissions" if stat.S_IMODE(before.mode) != stat.S_IMODE(after.mode) else ""


async def _sums(side: SandboxFileSystem, path: str, names: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of files, by their paths relative to a directory; unreadable ones are left out."""
    found: dict[str, str] = {}
    for arguments, line in _groups(names):
        folder = ShellArguments()
        word = folder.add(path)
        command = (
            f"LC_ALL=C; export LC_ALL; {folder.preamble}cd {word} || exit 1; {arguments.preamble}"
            f"sha256sum {line} 2>/dev/null | {PACK}"
        )
        response = await side.run(command, path, WALK_SECONDS)
        if response.exit_code != 0:
            continue
        for row in unpack(response.stdout).split(b"\n"):
            if match := _SUM.fullmatch(row):
                raw = match[2]
                if row.startswith(b"\\"):
                    raw = raw.replace(b"\\n", b"\n").replace(b"\\\\", b"\\")
                found[decode(raw.removeprefix(b"./"))] = match[1].decode()
    return found


def _groups(names: Sequence[str]) -> Iterator[tuple[ShellArguments, str]]:
    arguments, line = ShellArguments(), ""
    for name in names:
        line += f" {arguments.add(f'./{name}')}"
        if len(line) + len(arguments.preamble) > _GROUP:
            yield arguments, line
            arguments, line = ShellArguments(), ""
    if line:
        yield arguments, line


async def read_bytes(side: SandboxFileSystem, path: str) -> bytes:
    """Return the content of a file of up to :data:`MAX_TEXT` bytes.

    Raises:
        FilesError: it cannot be read.
    """
    arguments = ShellArguments()
    word = arguments.add(path)
    command = f'{arguments.preamble}p={word}; [ -r "$p" ] || exit 1; head -c {MAX_TEXT} "$p" | {PACK}'
    response = await side.run(command, path)
    if response.exit_code != 0:
        raise FilesError(f"{path}: can't be read")
    return unpack(response.stdout)


def text_of(data: bytes) -> list[str] | None:
    """Return the lines of a file, or None if it is not text in UTF-8."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


def patch_lines(change: FileChange, before: bytes, after: bytes, label: str) -> list[str]:
    """Return a unified diff, without line ends, or a line that says that it is not text."""
    old, new = text_of(before), text_of(after)
    first = "/dev/null" if change.before is None else f"a{label}"
    second = "/dev/null" if change.after is None else f"b{label}"
    if old is None or new is None:
        return [f"Binary files {first} and {second} differ"]
    lines = difflib.unified_diff(old, new, first, second)
    shown = []
    for line in lines:
        shown.append(line.rstrip("\n"))
        if not line.endswith("\n") and line[:1] in "+- " and not line.startswith(("+++", "---")):
            shown.append("\\ No newline at end of file")
    return shown
