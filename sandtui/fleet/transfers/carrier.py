"""Carries one transfer out: counts, decides, makes directories, copies, and tells how far it is."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.files.entry import TreeItem
from sandtui.fleet.files.local import LocalSide
from sandtui.fleet.files.names import FilesError, base, is_text, parent
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.side import Side
from sandtui.fleet.transfers import leftovers
from sandtui.fleet.transfers.equal import Difference, difference, extras, ignored
from sandtui.fleet.transfers.fetching import Fetcher
from sandtui.fleet.transfers.model import Existing, Place, State, Transfer, TransferError
from sandtui.fleet.transfers.plan import Item, Plan, archives, plan
from sandtui.fleet.transfers.sending import Sender
from sandtui.fleet.transfers.ways import Way, open_ways

FILES_AT_ONCE = 4
"""Files of one tree that are copied at the same time."""

Signature = tuple[int, int]
"""Size and time of a source file: what was copied of an earlier run counts only while these are the same."""


class Log(Protocol):
    """Where it is written down which files of a transfer have come."""

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Write some down."""
        ...


class Conflict(Exception):
    """Somebody has to say what becomes of files that are there already."""


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
        self._ways: dict[str, Way] = {}
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
            await self._prepare(target, made)
            async with open_ways(self._client, spec) as self._ways:
                await self._copy(made)
            if self._extra:
                await target.remove([f"{spec.target.path.rstrip('/')}/{path}" for path in self._extra])
                self._transfer.deleted = len(self._extra)
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

    async def compare(self) -> Difference:
        """Return what would be done, and do nothing.

        Raises:
            TransferError, FilesError: one side can't be read.
        """
        spec = self._transfer.spec
        _, tree, _, there = await self._look(self._side(spec.source), self._side(spec.target))
        return await asyncio.to_thread(difference, tree, there)

    async def _look(self, source: Side, target: Side) -> tuple[TreeItem, list[TreeItem], int, dict[str, TreeItem]]:
        """Return root and tree of the source, how many names were refused, and what the target holds."""
        spec = self._transfer.spec
        root = await source.look(spec.source.path)
        if root is None:
            raise TransferError(f"{spec.source.label} is not there any more")
        tree, refused = await source.walk(spec.source.path, spec.names) if _is_folder(root) else ([], 0)
        self._transfer.check()
        found = await target.look(spec.target.path)
        there: dict[str, TreeItem] = {}
        if found is not None:
            there[""] = found
            if _is_folder(found) and _is_folder(root):
                items = (await target.walk(spec.target.path, spec.names))[0]
                there.update((item.path, item) for item in self._kept(items))
        return root, self._kept(tree), refused, there

    def _kept(self, items: list[TreeItem]) -> list[TreeItem]:
        try:
            return ignored(self._transfer.spec.ignore, items)
        except ValueError as error:
            raise TransferError(f"a pattern of what is ignored can't be read: {error}") from None

    async def _plan(self, source: Side, target: Side) -> Plan:
        transfer, spec = self._transfer, self._transfer.spec
        root, tree, refused, there = await self._look(source, target)
        siblings: set[str] = set()
        if spec.existing is Existing.RENAME and "" in there and not _is_folder(root):
            siblings = {entry.name for entry in (await target.read_folder(parent(spec.target.path))).entries}
        self._extra = extras(tree, there) if spec.delete and _is_folder(root) else []
        # What an earlier run has copied is not in the way.
        mine = {item.path for item in (tree or [root]) if self._earlier.get(item.path) == (item.size, item.modified)}
        others = {path: item for path, item in there.items() if path not in mine}
        made = plan(spec.source.path, spec.target.path, root, tree, others, spec.existing, siblings)
        if isinstance(made, int):
            transfer.conflicts = made
            raise Conflict
        left = [item for item in made.items if item.path not in mine or item.path not in there]
        transfer.skipped, transfer.left_out = made.skipped, made.left_out + refused
        transfer.files, transfer.files_done = len(made.items), len(made.items) - len(left)
        transfer.total = made.size
        transfer.done = made.size - sum(item.size for item in left)
        transfer.samples.clear()
        return replace(made, items=tuple(left))

    async def _prepare(self, target: Side, made: Plan) -> None:
        spec = self._transfer.spec
        self._transfer.state = State.RUNNING
        self._changed()
        whole = {folder.path: folder for folder in made.folders}
        # Each with those above it: only the ends need to be named.
        above = {parent(f"/{path}")[1:] for path in whole if path}
        ends = [path for path in whole if path not in above]
        paths = [f"{spec.target.path}/{path}" if path else spec.target.path for path in ends]
        if not made.folders and made.items and not is_text(spec.target.path):
            # Otherwise the copy makes the directories above by itself.
            paths.append(parent(spec.target.path))
        if paths:
            await target.make_folders(paths)
        if spec.keep:
            modes: dict[int, list[str]] = {}
            for path, folder in whole.items():
                mode = folder.mode & 0o777
                if mode & 0o700 == 0o700:
                    modes.setdefault(mode, []).append(f"{spec.target.path}/{path}" if path else spec.target.path)
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
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
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
        return Sender(self._client, box, self._transfer, self._ways[box])

    def _fetcher(self) -> Fetcher:
        box = self._transfer.spec.source.sandbox_id
        assert box is not None
        return Fetcher(self._client, box, self._transfer, self._ways[box])

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


def _is_folder(item: TreeItem) -> bool:
    return item.kind.value == "folder"


def _drop(items: Sequence[Item]) -> None:
    for item in items:
        Path(item.source).unlink(missing_ok=True)
