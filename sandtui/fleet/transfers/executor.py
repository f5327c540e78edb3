"""Execution of one transfer: plan, create directories, copy, set permissions, report progress."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from sandtui.client import AsyncSandboxClient
from sandtui.directories import make_private
from sandtui.fleet.files.entry import FileKind, TreeItem
from sandtui.fleet.files.filesystem import FileSystem
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import FilesError, base, is_text, join, parent
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.transfers import autorun, leftovers
from sandtui.fleet.transfers.download import Downloader
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferError, TransferState
from sandtui.fleet.transfers.plan import TransferItem, TransferPlan, TransferRules, archives, is_under, plan
from sandtui.fleet.transfers.sync import Difference, difference, extras, guarded, omitted, replaced, without_ignored
from sandtui.fleet.transfers.upload import Uploader

FILES_AT_ONCE = 4
"""Files of one tree that are copied at the same time."""

MAX_RISKY = 20
"""Files listed that programs run automatically."""

Signature = tuple[int, int]
"""Size and time of a source file: an earlier copy counts only while these are unchanged."""


class FileLog(Protocol):
    """Records which files of a transfer are complete."""

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Record complete files."""
        ...


class Conflict(Exception):
    """Files already exist, and the user must choose what to do with them."""


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees on both sides: ``tree`` of the source; ``there`` of the target, ``mine`` without ignored items."""

    root: TreeItem
    tree: list[TreeItem]
    refused: int
    there: dict[str, TreeItem]
    mine: dict[str, TreeItem]
    guarded: set[str]
    held: tuple[str, ...] = ()


class TransferExecutor:
    """Executes one transfer. ``spool`` is a private directory for files in transit; it is emptied at the end."""

    def __init__(
        self,
        client: AsyncSandboxClient,
        transfer: Transfer,
        spool: Path,
        log: FileLog,
        changed: Callable[[], None],
        earlier: dict[str, Signature],
    ) -> None:
        self._client, self._transfer, self._log, self._changed = client, transfer, log, changed
        self._spool = spool / transfer.id
        self._earlier = earlier
        self._extra: list[str] = []
        self._closed: list[tuple[str, int]] = []
        self._counting = threading.Lock()

    async def run(self) -> None:
        """Execute the transfer.

        Raises:
            Conflict: the user must be asked first; nothing was changed.
            TransferError, FilesError, SandboxClientError, OSError: it failed.
        """
        spec = self._transfer.spec
        source, target = self._side(spec.source), self._side(spec.target)
        if spec.source.sandbox_id is None and spec.target.sandbox_id is None:
            raise TransferError("both sides are this machine: copy with its own tools")
        if (spec.source.sandbox_id, spec.source.path) == (spec.target.sandbox_id, spec.target.path):
            raise TransferError("source and target are the same")
        if self._transfer.tries > 1:
            # Before anything else: leftovers in the source would be copied as the user's files.
            await self._forget_at(spec.source)
        made = await self._plan(source, target)
        try:
            await self._make_way(target, made)
            await self._prepare(target, made)
            await self._copy(made)
            if made.links:
                # After all files: nothing may be written through a new link.
                await target.make_links(spec.target.path, made.links)
            if self._extra:
                await target.remove([join(spec.target.path, path) for path in self._extra])
            self._transfer.deleted = len(self._extra) + len(made.replaced)
            await self._set_permissions(target, made)
            if self._transfer.tries > 1 or self._transfer.untidy:
                await self.forget()
        finally:
            await asyncio.to_thread(shutil.rmtree, self._spool, ignore_errors=True)

    async def forget(self) -> None:
        """Remove the temporary files of all attempts, on both sides and in the spool; complete files stay.

        Raises:
            FilesError, OSError: something could not be removed; the rest was.
        """
        await asyncio.to_thread(shutil.rmtree, self._spool, ignore_errors=True)
        failure: Exception | None = None
        for location in (self._transfer.spec.target, self._transfer.spec.source):
            try:
                await self._forget_at(location)
            except (FilesError, OSError) as error:
                failure = failure or error
        if failure is not None:
            raise failure
        self._transfer.untidy = False

    async def _forget_at(self, location: Location) -> None:
        if location.sandbox_id is not None:
            await leftovers.remove_in_sandbox(
                SandboxFileSystem(self._client, location.sandbox_id), location.path, self._transfer.id
            )
        elif location is self._transfer.spec.target:
            await asyncio.to_thread(leftovers.remove_local, location.path, self._transfer.id)

    def _side(self, location: Location) -> FileSystem:
        return (
            LocalFileSystem() if location.sandbox_id is None else SandboxFileSystem(self._client, location.sandbox_id)
        )

    async def compare(self, *, delete: bool | None = None) -> Difference:
        """Return what would be done, without doing it; ``delete`` overrides the spec.

        Raises:
            TransferError, FilesError: one side can't be read, or the copy would be rejected.
        """
        spec = self._transfer.spec
        sides = await self._read_trees(self._side(spec.source), self._side(spec.target))
        rules = replace(self._rules(sides), delete=spec.delete if delete is None else delete)
        found = await asyncio.to_thread(
            difference,
            sides.tree,
            sides.there,
            rules,
            extra=extras(sides.tree, sides.mine, sides.guarded),
            root=sides.root,
            target=spec.target.path,
        )
        return replace(found, refused=sides.refused, held=sides.held)

    def _rules(self, sides: Trees) -> TransferRules:
        spec = self._transfer.spec
        # No setuid bits on files from a sandbox.
        bits = 0o777 if spec.target.sandbox_id is None else 0o7777
        return TransferRules(spec.existing, spec.keep, spec.delete, bits, sides.guarded)

    async def _read_trees(self, source: FileSystem, target: FileSystem) -> Trees:
        spec = self._transfer.spec
        if self._holds_git and await asyncio.to_thread(_leads_into_git, spec.target.path):
            raise TransferError(f"{spec.target.path} is in a .git directory, whose files git may run: use --allow-git")
        root = await source.stat(spec.source.path)
        if root is None:
            raise TransferError(f"{spec.source.label} no longer exists")
        tree, refused = await source.walk(spec.source.path, spec.names) if _is_folder(root) else ([], 0)
        self._transfer.check()
        found = await target.stat(spec.target.path)
        items: list[TreeItem] = []
        if found is not None and _is_folder(found) and _is_folder(root):
            items = (await target.walk(spec.target.path, spec.names))[0]
        # Large trees take a while.
        return await asyncio.to_thread(self._sides, root, tree, refused, found, items)

    def _sides(
        self, root: TreeItem, tree: list[TreeItem], refused: int, found: TreeItem | None, items: list[TreeItem]
    ) -> Trees:
        tree, unsound = valid_items(tree)
        tree, kept = self._not_ignored(tree), self._not_ignored(items)
        held: tuple[str, ...] = ()
        if self._holds_git:
            # Excluded on both sides, like ignored items.
            held = autorun.git_tops(item.path for item in tree)
            tree, kept = _without_git(tree), _without_git(kept)
        top = {} if found is None else {"": found}
        there = top | {item.path: item for item in items}
        mine = top | {item.path: item for item in kept}
        return Trees(root, tree, refused + unsound, there, mine, guarded(items, kept), held)

    @property
    def _holds_git(self) -> bool:
        return self._transfer.spec.is_download and not self._transfer.spec.allow_git

    def _not_ignored(self, items: list[TreeItem]) -> list[TreeItem]:
        try:
            return without_ignored(self._transfer.spec.ignore, items)
        except ValueError as error:
            raise TransferError(f"invalid ignore pattern: {error}") from None

    async def _plan(self, source: FileSystem, target: FileSystem) -> TransferPlan:
        transfer, spec = self._transfer, self._transfer.spec
        sides = await self._read_trees(source, target)
        root, there = sides.root, sides.there
        siblings: set[str] = set()
        if spec.existing is Existing.RENAME and "" in there and not _is_folder(root):
            siblings = {entry.name for entry in (await target.read_folder(parent(spec.target.path))).entries}
        made, mine = await asyncio.to_thread(self._decide, sides, siblings)
        if isinstance(made, int):
            transfer.conflicts = made
            raise Conflict
        left = [item for item in made.items if item.path not in mine or item.path not in there]
        transfer.skipped, transfer.left_out = made.skipped, len(made.left_out) + sides.refused + len(sides.held)
        transfer.omitted = omitted(spec.source.label, made.left_out, sides.refused, sides.held)
        transfer.held = len(sides.held)
        if spec.is_download:
            transfer.run_by = risky(spec.target.path, made)
        transfer.files, transfer.files_done = len(made.items), len(made.items) - len(left)
        transfer.links, transfer.permissions = len(made.links), len(made.permissions)
        transfer.total = made.size
        transfer.done = made.size - sum(item.size for item in left)
        transfer.samples.clear()
        return replace(made, items=tuple(left))

    def _decide(self, sides: Trees, siblings: set[str]) -> tuple[TransferPlan | int, set[str]]:
        """Return the plan, and the paths that an earlier run has already copied."""
        spec, root, tree = self._transfer.spec, sides.root, sides.tree
        mine = {item.path for item in (tree or [root]) if self._earlier.get(item.path) == (item.size, item.modified)}
        # A file copied earlier is no conflict.
        others = {path: item for path, item in sides.there.items() if path not in mine}
        made = plan(spec.source.path, spec.target.path, root, tree, others, self._rules(sides), siblings)
        if isinstance(made, TransferPlan) and not spec.consent and (changed := replaced(made, others)):
            return len(changed), mine
        if isinstance(made, TransferPlan):
            extra = extras(tree, sides.mine, sides.guarded) if spec.delete and _is_folder(root) else []
            self._extra = [path for path in extra if not is_under(path, made.replaced)]
            self._closed = self._closed_ones(sides, made)
        return made, mine

    def _closed_ones(self, sides: Trees, made: TransferPlan) -> list[tuple[str, int]]:
        """Return the target directories that are to be changed but not writable for their owner."""
        if not self._transfer.spec.keep:
            return []
        touched = [*made.replaced, *self._extra, *(path for path, _ in made.links)]
        touched += [item.path for item in made.folders] + [item.path for item in made.items]
        above = {path.rpartition("/")[0] for path in touched} & sides.there.keys() - {""}
        found = [sides.there[path] for path in sorted(above) if not is_under(path, made.replaced)]
        return [(item.path, item.mode & 0o777) for item in found if _is_folder(item) and item.mode & 0o300 != 0o300]

    async def _make_way(self, target: FileSystem, made: TransferPlan) -> None:
        """Make read-only directories writable, and remove items of another kind than the new ones."""
        self._transfer.state = TransferState.RUNNING
        self._changed()
        await self._permit(target, [(path, mode | 0o700) for path, mode in self._closed])
        if made.replaced:
            await target.remove([join(self._transfer.spec.target.path, path) for path in made.replaced])

    async def _prepare(self, target: FileSystem, made: TransferPlan) -> None:
        spec = self._transfer.spec
        whole = {folder.path: folder for folder in made.folders}
        # Parents are created too: only the leaves need to be named.
        above = {parent(f"/{path}")[1:] for path in whole if path}
        ends = [path for path in whole if path not in above]
        paths = [join(spec.target.path, path) if path else spec.target.path for path in ends]
        if not made.folders and made.items and not is_text(spec.target.path):
            # Otherwise the upload creates the parent directories itself.
            paths.append(parent(spec.target.path))
        if paths:
            await target.make_folders(paths)
        if spec.keep:
            # While they are empty; read-only directories get their permissions last.
            open_ones = [(path, item.mode & 0o777) for path, item in whole.items() if item.mode & 0o700 == 0o700]
            await self._permit(target, open_ones)

    async def _set_permissions(self, target: FileSystem, made: TransferPlan) -> None:
        """Set the permissions of otherwise identical items, and those of read-only directories."""
        others = {path for path, _ in made.permissions}
        closed = [(path, mode) for path, mode in self._closed if path not in others]
        if self._transfer.spec.keep:
            closed += [(item.path, item.mode & 0o777) for item in made.folders if item.mode & 0o700 != 0o700]
        await self._permit(target, [*made.permissions, *closed[::-1]])

    async def _permit(self, target: FileSystem, wanted: Sequence[tuple[str, int]]) -> None:
        modes: dict[int, list[str]] = {}
        for path, mode in wanted:
            location = self._transfer.spec.target.path
            modes.setdefault(mode, []).append(join(location, path) if path else location)
        for mode, some in modes.items():
            await target.set_permissions(some, mode)

    async def _copy(self, made: TransferPlan) -> None:
        groups, singles = archives(made.items)
        work: list[Callable[[], Awaitable[None]]] = [partial(self._many, group) for group in groups]
        work += [partial(self._one, item) for item in singles]
        waiting = iter(work)

        async def worker() -> None:
            for each in waiting:
                self._transfer.check()
                await each()

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(FILES_AT_ONCE, len(work))):
                workers.create_task(worker())

    async def _one(self, item: TransferItem) -> None:
        spec = self._transfer.spec
        self._transfer.current = item.path or base(item.source)
        counted = 0

        def on_bytes(amount: int) -> None:
            nonlocal counted
            counted += amount
            self._count(amount)

        try:
            if spec.source.sandbox_id is None:
                await self._uploader().upload(item, on_bytes)
            elif spec.target.sandbox_id is None:
                await self._downloader().download(item, on_bytes)
            else:
                here = await self._relay([item], self._half(on_bytes))
                await self._uploader().upload(here[0], self._half(on_bytes))
                await asyncio.to_thread(_drop, here)
        except BaseException:
            self._count(-counted)
            raise
        self._count(item.size - counted)
        self._note([item])

    async def _many(self, items: list[TransferItem]) -> None:
        spec = self._transfer.spec
        self._transfer.current = f"{len(items):,} small files"
        if spec.source.sandbox_id is None:
            await self._uploader().upload_archive(items, spec.target.path, self._spool, self._count)
        elif spec.target.sandbox_id is None:
            missed = await self._downloader().download_archive(items, spec.source.path, self._spool, self._count)
            gone = {item.path for item in missed}
            items = [item for item in items if item.path not in gone]
            for item in missed:
                await self._one(item)
        else:
            here = await self._relay(items, self._half(self._count))
            await self._uploader().upload_archive(here, spec.target.path, self._spool, self._half(self._count))
            await asyncio.to_thread(_drop, here)
        self._note(items)

    async def _relay(self, items: list[TransferItem], on_bytes: Callable[[int], None]) -> list[TransferItem]:
        """Download files to the spool for another sandbox; return them with their local paths as sources."""
        spec = self._transfer.spec
        downloader = self._downloader()
        folder = self._spool / "relay"
        await asyncio.to_thread(make_private, folder)
        # Random names: names chosen by a sandbox are not used on this machine.
        here = [replace(item, target=str(folder / secrets.token_hex(8))) for item in items]
        rest = here
        if len(items) > 1:
            rest = await downloader.download_archive(here, spec.source.path, self._spool, on_bytes)
        for item in rest:
            await downloader.download(item, on_bytes)
        return [replace(item, source=local.target) for item, local in zip(items, here, strict=True)]

    def _uploader(self) -> Uploader:
        box = self._transfer.spec.target.sandbox_id
        assert box is not None
        return Uploader(self._client, box, self._transfer)

    def _downloader(self) -> Downloader:
        box = self._transfer.spec.source.sandbox_id
        assert box is not None
        return Downloader(self._client, box, self._transfer)

    def _half(self, on_bytes: Callable[[int], None]) -> Callable[[int], None]:
        """Count bytes that are copied twice at half weight."""
        odd = 0

        def half(amount: int) -> None:
            nonlocal odd
            whole, odd = divmod(amount + odd, 2)
            on_bytes(whole)

        return half

    def _count(self, amount: int) -> None:
        # Several files are copied at once, each in its own thread.
        with self._counting:
            self._transfer.done = max(0, self._transfer.done + amount)
            self._changed()

    def _note(self, items: Sequence[TransferItem]) -> None:
        self._transfer.files_done += len(items)
        self._log.note_files(self._transfer.id, [(item.path, (item.size, item.modified)) for item in items])
        self._changed()


def valid_items(tree: Sequence[TreeItem]) -> tuple[list[TreeItem], int]:
    """Return the items inside directories of the tree, without duplicates, and the number of others.

    A sandbox may list files under a link: in the target they would be written to where the link leads.
    """
    folders = {""}
    seen: set[str] = set()
    kept = []
    for item in tree:  # parents come first
        if item.path in seen or item.path.rpartition("/")[0] not in folders:
            continue
        seen.add(item.path)
        kept.append(item)
        if item.kind is FileKind.FOLDER:
            folders.add(item.path)
    return kept, len(tree) - len(kept)


def risky(target: str, made: TransferPlan) -> tuple[tuple[str, str], ...]:
    """Return the files of a plan that programs run automatically, at most ``MAX_RISKY``."""
    found = [(item.target, item.path) for item in made.items]
    found += [(join(target, path) if path else target, path) for path, _ in made.links]
    renamed = [(whole, program) for whole, path in found if not path and (program := autorun.run_by(whole))]
    inside = autorun.found(target, [whole[len(target.rstrip("/")) + 1 :] for whole, path in found if path])
    return tuple([*renamed, *inside][:MAX_RISKY])


def _leads_into_git(path: str) -> bool:
    return autorun.in_git(path) or autorun.in_git(os.path.realpath(path))


def _without_git(items: Sequence[TreeItem]) -> list[TreeItem]:
    return [item for item in items if not autorun.in_git(item.path)]


def _is_folder(item: TreeItem) -> bool:
    return item.kind.value == "folder"


def _drop(items: Sequence[TransferItem]) -> None:
    for item in items:
        Path(item.source).unlink(missing_ok=True)
