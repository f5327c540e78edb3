"""A comparison under way: the differences, and the lines of a file while the files can be read."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, SandboxCheckpoint, SandboxClientError
from sandtui.fleet.checkpoints.compare import Change, FileChange, compare, compare_file, patch_lines, read_bytes
from sandtui.fleet.checkpoints.sides import Side, files_of
from sandtui.fleet.files.entry import FileKind, TreeItem
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.load_state import LOADED, LOADING, LoadPhase, LoadState, failed
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.units import short_size

CANCELED = "stopped"


@dataclass(frozen=True, slots=True)
class Patch:
    """What differs in one path. ``notes`` are our own words; ``lines`` come from its content."""

    notes: tuple[str, ...]
    lines: tuple[str, ...] = ()


class Comparison:
    """The differences of two sides below a path. ``on_change`` tells of every change of state."""

    def __init__(self, client: AsyncSandboxClient, before: Side, after: Side, path: str = "/") -> None:
        self._client, self.before, self.after, self.path = client, before, after, path
        self.state = LOADING
        self.changes: Sequence[FileChange] = ()
        self.base = path
        """The directory that the paths of the changes are relative to."""
        self.on_change: Signal[[]] = Signal()
        self.on_left: Signal[[str]] = Signal()
        """Tells of a sandbox that was created to read a checkpoint and could not be deleted."""
        self._sides: tuple[SandboxFileSystem, SandboxFileSystem] | None = None
        self._closed = asyncio.Event()
        self._patches: dict[str, Patch] = {}

    async def run(self) -> None:
        """Compare, and keep what was created to read checkpoints until :meth:`close`; then it is deleted."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                both = (self.before, self.after)
                sides = [files_of(self._client, side, self._creating, self.on_left) for side in both]
                first = await stack.enter_async_context(sides[0])
                second = await stack.enter_async_context(sides[1])
                self._say(f"reading {self.path} on both sides")
                await self._compare(first, second)
                self._sides = first, second
                self._to(LOADED)
                await self._closed.wait()
        except (SandboxClientError, FilesError) as error:
            self._to(failed(str(error)))
        except asyncio.CancelledError:
            if not self.state.is_loaded:
                self._to(failed(CANCELED))
            raise
        finally:
            self._sides = None

    def close(self) -> None:
        """Let go of the files."""
        self._closed.set()

    def full_path(self, change: FileChange) -> str:
        """Return the absolute path of a change."""
        return posixpath.join(self.base, change.path)

    def count(self, change: Change) -> int:
        """Return how many paths differ in this way."""
        return sum(each.change is change for each in self.changes)

    async def patch(self, change: FileChange) -> Patch:
        """Return what differs in a path.

        Raises:
            SandboxClientError, FilesError: it can't be read.
        """
        known = self._patches.get(change.path)
        if known is None:
            known = self._patches[change.path] = await self._patch(change)
        return known

    async def _compare(self, first: SandboxFileSystem, second: SandboxFileSystem) -> None:
        found = await asyncio.gather(first.stat(self.path), second.stat(self.path))
        kinds = [item.kind for item in found if item is not None]
        is_folder = len(kinds) == 2 and all(kind is FileKind.FOLDER for kind in kinds)
        self.base = self.path if is_folder else posixpath.dirname(self.path)
        self.changes = await (compare if is_folder else compare_file)(first, second, self.path)

    async def _patch(self, change: FileChange) -> Patch:
        notes = tuple(described(change))
        if change.change is Change.CHANGED and change.detail == "permissions":
            return Patch(notes)
        if not change.may_be_text:
            files = [each for each in (change.before, change.after) if each is not None]
            if all(each.kind is FileKind.FILE for each in files):
                notes = (*notes, "Larger than 1 MiB: its lines are not compared.")
            return Patch(notes)
        if self._sides is None:
            raise FilesError("the files can't be read any more: compare again")
        path = self.full_path(change)
        old, new = await asyncio.gather(
            _content(self._sides[0], path, change.before), _content(self._sides[1], path, change.after)
        )
        return Patch(notes, tuple(await asyncio.to_thread(patch_lines, change, old, new, path)))

    def _creating(self, checkpoint: SandboxCheckpoint) -> None:
        self._say(f"creating a sandbox to read {checkpoint.id}")

    def _say(self, what: str) -> None:
        self._to(LoadState(LoadPhase.LOADING, what))

    def _to(self, state: LoadState) -> None:
        self.state = state
        self.on_change()


async def _content(side: SandboxFileSystem, path: str, item: TreeItem | None) -> bytes:
    return await read_bytes(side, path) if item is not None else b""


def described(change: FileChange) -> list[str]:
    """Return what a path was and is."""
    before, after = change.before, change.after
    if before is None or after is None:
        (only,) = (each for each in (before, after) if each is not None)
        return [f"{change.change.value}: {_item(only)}"]
    return [f"before: {_item(before)}", f"after:  {_item(after)}"]


def _item(item: TreeItem) -> str:
    size = f" · {short_size(item.size)}" if item.kind is FileKind.FILE else ""
    target = f" → {item.target}" if item.kind is FileKind.LINK else ""
    return f"{item.kind.value}{target}{size} · {stat.filemode(item.mode)}"
