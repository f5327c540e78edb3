"""Carries one transfer out: counts, decides, makes directories, copies, and tells how far it is."""

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
from sandtui.fleet.files.entry import Kind, TreeItem
from sandtui.fleet.files.local import LocalSide
from sandtui.fleet.files.names import FilesError, base, is_text, join, parent
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.side import Side
from sandtui.fleet.transfers import autorun, leftovers
from sandtui.fleet.transfers.equal import Difference, difference, extras, guarded, ignored, omitted, replaced
from sandtui.fleet.transfers.fetching import Fetcher
from sandtui.fleet.transfers.model import Existing, Place, State, Transfer, TransferError
from sandtui.fleet.transfers.plan import Item, Plan, Rules, archives, is_under, plan
from sandtui.fleet.transfers.sending import Sender

FILES_AT_ONCE = 4
"""Files of one tree that are copied at the same time."""

RISKY_TOLD = 20
"""Files that programs run by themselves and that are told; more are as many as one cares to read."""

Signature = tuple[int, int]
"""Size and time of a source file: what was copied of an earlier run counts only while these are the same."""


class Log(Protocol):
    """Where it is written down which files of a transfer have come."""

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Write some down."""
        ...


class Conflict(Exception):
    """Somebody has to say what becomes of files that are there already."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What was found on both sides: ``tree`` without what is ignored, ``there`` and ``mine`` with it and without."""

    root: TreeItem
    tree: list[TreeItem]
    refused: int
    there: dict[str, TreeItem]
    mine: dict[str, TreeItem]
    guarded: set[str]
    held: tuple[str, ...] = ()


class Carrier:
    """Copies for one transfer. ``spool`` is a private directory for what is on its way; it is emptied at the end."""

    def __init__(
        self,
        client: AsyncSandboxClient,
        transfer: Transfer,
        spool: Path,
        log: Log,
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
        """Carry it out.

        Raises:
            Conflict: it must be asked first; nothing was changed.
            TransferError, FilesError, SandboxClientError, OSError: it could not be done.
        """
        spec = self._transfer.spec
        source, target = self._side(spec.source), self._side(spec.target)
        if spec.source.sandbox_id is None and spec.target.sandbox_id is None:
            raise TransferError("both sides are this machine: use its own tools to copy there")
        if (spec.source.sandbox_id, spec.source.path) == (spec.target.sandbox_id, spec.target.path):
            raise TransferError("source and target are the same")
        if self._transfer.tries > 1:
            # First of all: what is left in the source would be copied as a file of the user's.
            await self._forget_at(spec.source)
        made = await self._plan(source, target)
        try:
            await self._make_way(target, made)
            await self._prepare(target, made)
            await self._copy(made)
            if made.links:
                # After all files: nothing that is written later can go through them.
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
        """Remove what tries have left on both sides and here; what has its name stays.

        Raises:
            FilesError, OSError: something could not be removed; the rest is.
        """
        await asyncio.to_thread(shutil.rmtree, self._spool, ignore_errors=True)
        failure: Exception | None = None
        for place in (self._transfer.spec.target, self._transfer.spec.source):
            try:
                await self._forget_at(place)
            except (FilesError, OSError) as error:
                failure = failure or error
        if failure is not None:
            raise failure
        self._transfer.untidy = False

    async def _forget_at(self, place: Place) -> None:
        if place.sandbox_id is not None:
            await leftovers.remove_there(SandboxSide(self._client, place.sandbox_id), place.path, self._transfer.id)
        elif place is self._transfer.spec.target:
            await asyncio.to_thread(leftovers.remove_here, place.path, self._transfer.id)

    def _side(self, place: Place) -> Side:
        return LocalSide() if place.sandbox_id is None else SandboxSide(self._client, place.sandbox_id)

    async def compare(self, *, delete: bool | None = None) -> Difference:
        """Return what would be done, and do nothing; ``delete`` is another answer than the spec's.

        Raises:
            TransferError, FilesError: one side can't be read, or the copy would be refused.
        """
        spec = self._transfer.spec
        sides = await self._look(self._side(spec.source), self._side(spec.target))
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

    def _rules(self, sides: Sides) -> Rules:
        spec = self._transfer.spec
        # A file from a sandbox never runs as somebody else here.
        bits = 0o777 if spec.target.sandbox_id is None else 0o7777
        return Rules(spec.existing, spec.keep, spec.delete, bits, sides.guarded)

    async def _look(self, source: Side, target: Side) -> Sides:
        spec = self._transfer.spec
        if self._holds_git and await asyncio.to_thread(_leads_into_git, spec.target.path):
            raise TransferError(f"{spec.target.path} is in a .git, whose files git runs; --allow-git writes there")
        root = await source.look(spec.source.path)
        if root is None:
            raise TransferError(f"{spec.source.label} is not there any more")
        tree, refused = await source.walk(spec.source.path, spec.names) if _is_folder(root) else ([], 0)
        self._transfer.check()
        found = await target.look(spec.target.path)
        items: list[TreeItem] = []
        if found is not None and _is_folder(found) and _is_folder(root):
            items = (await target.walk(spec.target.path, spec.names))[0]
        # Large trees take a while.
        return await asyncio.to_thread(self._sides, root, tree, refused, found, items)

    def _sides(
        self, root: TreeItem, tree: list[TreeItem], refused: int, found: TreeItem | None, items: list[TreeItem]
    ) -> Sides:
        tree, unsound = sound(tree)
        tree, kept = self._kept(tree), self._kept(items)
        held: tuple[str, ...] = ()
        if self._holds_git:
            # Left alone on both sides, as what is ignored.
            held = autorun.git_tops(item.path for item in tree)
            tree, kept = _without_git(tree), _without_git(kept)
        top = {} if found is None else {"": found}
        there = top | {item.path: item for item in items}
        mine = top | {item.path: item for item in kept}
        return Sides(root, tree, refused + unsound, there, mine, guarded(items, kept), held)

    @property
    def _holds_git(self) -> bool:
        return self._transfer.spec.is_download and not self._transfer.spec.allow_git

    def _kept(self, items: list[TreeItem]) -> list[TreeItem]:
        try:
            return ignored(self._transfer.spec.ignore, items)
        except ValueError as error:
            raise TransferError(f"a pattern of what is ignored can't be read: {error}") from None

    async def _plan(self, source: Side, target: Side) -> Plan:
        transfer, spec = self._transfer, self._transfer.spec
        sides = await self._look(source, target)
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

    def _decide(self, sides: Sides, siblings: set[str]) -> tuple[Plan | int, set[str]]:
        """Return the plan, and what an earlier run has copied already."""
        spec, root, tree = self._transfer.spec, sides.root, sides.tree
        mine = {item.path for item in (tree or [root]) if self._earlier.get(item.path) == (item.size, item.modified)}
        # It is not in the way.
        others = {path: item for path, item in sides.there.items() if path not in mine}
        made = plan(spec.source.path, spec.target.path, root, tree, others, self._rules(sides), siblings)
        if isinstance(made, Plan) and not spec.consent and (changed := replaced(made, others)):
            return len(changed), mine
        if isinstance(made, Plan):
            extra = extras(tree, sides.mine, sides.guarded) if spec.delete and _is_folder(root) else []
            self._extra = [path for path in extra if not is_under(path, made.replaced)]
            self._closed = self._closed_ones(sides, made)
        return made, mine

    def _closed_ones(self, sides: Sides, made: Plan) -> list[tuple[str, int]]:
        """Return the directories there that do not let their owner change what is going to change in them."""
        if not self._transfer.spec.keep:
            return []
        touched = [*made.replaced, *self._extra, *(path for path, _ in made.links)]
        touched += [item.path for item in made.folders] + [item.path for item in made.items]
        above = {path.rpartition("/")[0] for path in touched} & sides.there.keys() - {""}
        found = [sides.there[path] for path in sorted(above) if not is_under(path, made.replaced)]
        return [(item.path, item.mode & 0o777) for item in found if _is_folder(item) and item.mode & 0o300 != 0o300]

    async def _make_way(self, target: Side, made: Plan) -> None:
        """Open the directories that are closed, and remove what is of another kind than what is to come."""
        self._transfer.state = State.RUNNING
        self._changed()
        await self._permit(target, [(path, mode | 0o700) for path, mode in self._closed])
        if made.replaced:
            await target.remove([join(self._transfer.spec.target.path, path) for path in made.replaced])

    async def _prepare(self, target: Side, made: Plan) -> None:
        spec = self._transfer.spec
        whole = {folder.path: folder for folder in made.folders}
        # Each with those above it: only the ends need to be named.
        above = {parent(f"/{path}")[1:] for path in whole if path}
        ends = [path for path in whole if path not in above]
        paths = [join(spec.target.path, path) if path else spec.target.path for path in ends]
        if not made.folders and made.items and not is_text(spec.target.path):
            # Otherwise the copy makes the directories above by itself.
            paths.append(parent(spec.target.path))
        if paths:
            await target.make_folders(paths)
        if spec.keep:
            # Before anything is in them; those that would be closed by their own get them last.
            open_ones = [(path, item.mode & 0o777) for path, item in whole.items() if item.mode & 0o700 == 0o700]
            await self._permit(target, open_ones)

    async def _set_permissions(self, target: Side, made: Plan) -> None:
        """Give what is equal otherwise its permissions, and directories those that would have been in the way."""
        others = {path for path, _ in made.permissions}
        closed = [(path, mode) for path, mode in self._closed if path not in others]
        if self._transfer.spec.keep:
            closed += [(item.path, item.mode & 0o777) for item in made.folders if item.mode & 0o700 != 0o700]
        await self._permit(target, [*made.permissions, *closed[::-1]])

    async def _permit(self, target: Side, wanted: Sequence[tuple[str, int]]) -> None:
        modes: dict[int, list[str]] = {}
        for path, mode in wanted:
            place = self._transfer.spec.target.path
            modes.setdefault(mode, []).append(join(place, path) if path else place)
        for mode, some in modes.items():
            await target.set_permissions(some, mode)

    async def _copy(self, made: Plan) -> None:
        groups, singles = archives(made.items)
        work: list[Callable[[], Awaitable[None]]] = [partial(self._many, group) for group in groups]
        work += [partial(self._one, item) for item in singles]
        waiting = iter(work)

        async def hand() -> None:
            for each in waiting:
                self._transfer.check()
                await each()

        async with asyncio.TaskGroup() as hands:
            for _ in range(min(FILES_AT_ONCE, len(work))):
                hands.create_task(hand())

    async def _one(self, item: Item) -> None:
        spec = self._transfer.spec
        self._transfer.current = item.path or base(item.source)
        counted = 0

        def on_bytes(amount: int) -> None:
            nonlocal counted
            counted += amount
            self._count(amount)

        try:
            if spec.source.sandbox_id is None:
                await self._sender().send(item, on_bytes)
            elif spec.target.sandbox_id is None:
                await self._fetcher().fetch(item, on_bytes)
            else:
                here = await self._relay([item], self._half(on_bytes))
                await self._sender().send(here[0], self._half(on_bytes))
                await asyncio.to_thread(_drop, here)
        except BaseException:
            self._count(-counted)
            raise
        self._count(item.size - counted)
        self._note([item])

    async def _many(self, items: list[Item]) -> None:
        spec = self._transfer.spec
        self._transfer.current = f"{len(items):,} small files"
        if spec.source.sandbox_id is None:
            await self._sender().send_archive(items, spec.target.path, self._spool, self._count)
        elif spec.target.sandbox_id is None:
            missed = await self._fetcher().fetch_archive(items, spec.source.path, self._spool, self._count)
            gone = {item.path for item in missed}
            items = [item for item in items if item.path not in gone]
            for item in missed:
                await self._one(item)
        else:
            here = await self._relay(items, self._half(self._count))
            await self._sender().send_archive(here, spec.target.path, self._spool, self._half(self._count))
            await asyncio.to_thread(_drop, here)
        self._note(items)

    async def _relay(self, items: list[Item], on_bytes: Callable[[int], None]) -> list[Item]:
        """Fetch files from one sandbox for another; return them with their place on this machine as the source."""
        spec = self._transfer.spec
        fetcher = self._fetcher()
        folder = self._spool / "relay"
        await asyncio.to_thread(make_private, folder)
        # Numbers instead of names: what a sandbox calls its files has no say on this machine.
        here = [replace(item, target=str(folder / secrets.token_hex(8))) for item in items]
        rest = here
        if len(items) > 1:
            rest = await fetcher.fetch_archive(here, spec.source.path, self._spool, on_bytes)
        for item in rest:
            await fetcher.fetch(item, on_bytes)
        return [replace(item, source=local.target) for item, local in zip(items, here, strict=True)]

    def _sender(self) -> Sender:
        box = self._transfer.spec.target.sandbox_id
        assert box is not None
        return Sender(self._client, box, self._transfer)

    def _fetcher(self) -> Fetcher:
        box = self._transfer.spec.source.sandbox_id
        assert box is not None
        return Fetcher(self._client, box, self._transfer)

    def _half(self, on_bytes: Callable[[int], None]) -> Callable[[int], None]:
        """Count bytes that travel twice, half of each way."""
        odd = 0

        def half(amount: int) -> None:
            nonlocal odd
            whole, odd = divmod(amount + odd, 2)
            on_bytes(whole)

        return half

    def _count(self, amount: int) -> None:
        # Several files are read and written at once, each in a thread of its own.
        with self._counting:
            self._transfer.done = max(0, self._transfer.done + amount)
            self._changed()

    def _note(self, items: Sequence[Item]) -> None:
        self._transfer.files_done += len(items)
        self._log.note_files(self._transfer.id, [(item.path, (item.size, item.modified)) for item in items])
        self._changed()


def sound(tree: Sequence[TreeItem]) -> tuple[list[TreeItem], int]:
    """Return the items that are in directories of the tree, each once, and how many are not.

    A sandbox may tell of files under a link: on the other side they would be written to where the link leads.
    """
    folders = {""}
    seen: set[str] = set()
    kept = []
    for item in tree:  # parents come first
        if item.path in seen or item.path.rpartition("/")[0] not in folders:
            continue
        seen.add(item.path)
        kept.append(item)
        if item.kind is Kind.FOLDER:
            folders.add(item.path)
    return kept, len(tree) - len(kept)


def risky(target: str, made: Plan) -> tuple[tuple[str, str], ...]:
    """Return what a plan brings that programs run by themselves; of many the first."""
    found = [(item.target, item.path) for item in made.items]
    found += [(join(target, path) if path else target, path) for path, _ in made.links]
    renamed = [(whole, program) for whole, path in found if not path and (program := autorun.run_by(whole))]
    inside = autorun.found(target, [whole[len(target.rstrip("/")) + 1 :] for whole, path in found if path])
    return tuple([*renamed, *inside][:RISKY_TOLD])


def _leads_into_git(path: str) -> bool:
    return autorun.in_git(path) or autorun.in_git(os.path.realpath(path))


def _without_git(items: Sequence[TreeItem]) -> list[TreeItem]:
    return [item for item in items if not autorun.in_git(item.path)]


def _is_folder(item: TreeItem) -> bool:
    return item.kind.value == "folder"


def _drop(items: Sequence[Item]) -> None:
    for item in items:
        Path(item.source).unlink(missing_ok=True)
