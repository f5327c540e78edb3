"""From a sandbox to this machine: under a temporary name, checked, then renamed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

from sandtui.cancellation import run_to_end
from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.directories import make_private
from sandtui.fleet.files.names import FilesError, beside, is_text
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.shell import Words
from sandtui.fleet.transfers import archive
from sandtui.fleet.transfers.model import PausedError, Transfer, TransferError
from sandtui.fleet.transfers.plan import Item

RESUMED_FROM = 32 * 1024 * 1024
"""Bytes from which on a file that has come in part is gone on with, whatever ended the last try."""

OnBytes = Callable[[int], None]


class Fetcher:
    """Fetches files of one transfer from one sandbox."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, transfer: Transfer) -> None:
        self._client, self._id, self._transfer = client, sandbox_id, transfer
        self._side = SandboxSide(client, sandbox_id)
        target = transfer.spec.target
        # What is on its way to another sandbox lies under names of our own meanwhile.
        self._root = target.path if target.sandbox_id is None else ""

    async def fetch(self, item: Item, on_bytes: OnBytes) -> None:
        """Fetch one file. What stood under its name is replaced when all has come and was found right.

        Raises:
            TransferError: it changed meanwhile, or can't be written here.
            FilesError: the sandbox refused.
            SandboxClientError: it broke off; a large file goes on where it was.
        """
        staged = self._staged(item)
        told = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            on_bytes(done - told)
            told = done
            self._transfer.check()

        source, alias = item.source, ""
        try:
            if not is_text(source):
                # The platform's download takes no path that is not UTF-8: a link in the sandbox stands for it.
                alias = f"/tmp/.sandtui-{self._transfer.id}-{secrets.token_hex(4)}"  # noqa: S108 - in a sandbox
                words = Words()
                await self._check_run(f"{words.add(item.source)}", words, alias)
                source = alias
            checksum = self._transfer.spec.checksum
            version = (item.size, item.modified) if item.size >= RESUMED_FROM else None
            await self._client.download_file(
                self._id,
                source,
                staged,
                on_progress=progress,
                checksum=checksum,
                version=version,
                mark=self._transfer.id,
            )
            await asyncio.to_thread(self._place, staged, item)
        except (PausedError, asyncio.CancelledError):
            raise  # what has come waits for the next try; the queue removes it when there will be none
        except BaseException as error:
            if not isinstance(error, SandboxClientError):
                await asyncio.to_thread(self.forget, item)
            raise
        finally:
            if alias:
                await run_to_end(self._drop(alias))

    async def fetch_archive(self, items: list[Item], root: str, folder: Path, on_bytes: OnBytes) -> list[Item]:
        """Fetch small files together; return those that were not in the archive as they were listed.

        ``root`` is the directory in the sandbox that their paths are relative to; ``folder`` is a private one here.

        Raises:
            TransferError: one can't be written here.
            FilesError: the sandbox refused.
            SandboxClientError: it broke off; none of them has come then, or all.
        """
        whole = sum(item.size for item in items)
        stem = f"/tmp/.sandtui-{self._transfer.id}-{secrets.token_hex(4)}"  # noqa: S108 - in a sandbox
        here = folder / f"{secrets.token_hex(8)}.tar"
        told = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            share = min(whole, whole * done // total) if total else 0
            on_bytes(share - told)
            told = share
            self._transfer.check()

        try:
            await asyncio.to_thread(make_private, folder)
            # To its end, even when cancelled: what arrives after the cleaning up would stay.
            await run_to_end(self._put(f"{stem}.sh", archive.pack_script(items, root, f"{stem}.tar")))
            reply = await self._side.run(f"sh {stem}.sh", root, 900)
            if reply.exit_code != 0:
                raise FilesError(f"{root} could not be read: {reply.stderr.strip()[-200:]}")
            checksum = self._transfer.spec.checksum
            await self._client.download_file(
                self._id, f"{stem}.tar", here, on_progress=progress, checksum=checksum, mark=self._transfer.id
            )
            self._transfer.check()
            wanted = {item.path: item for item in items}
            suffix = f"{self._transfer.id}.part"
            keep = self._transfer.spec.keep
            done = await asyncio.to_thread(archive.unpack, here, wanted, suffix, keep=keep, root=self._root)
        except BaseException:
            on_bytes(-told)
            raise
        finally:
            here.unlink(missing_ok=True)
            await run_to_end(self._clean(stem))
        missed = [item for item in items if item.path not in set(done)]
        on_bytes(whole - told - sum(item.size for item in missed))
        return missed

    def forget(self, item: Item) -> None:
        """Remove what earlier tries of a file have left on this machine."""
        staged = Path(self._staged(item))
        own = f".{staged.name}."
        try:
            names = list(staged.parent.iterdir())
        except OSError:
            return
        for path in names:
            if path.name == staged.name or path.name.startswith(own):
                path.unlink(missing_ok=True)

    def _staged(self, item: Item) -> str:
        return beside(item.target, f"{self._transfer.id}.part")

    def _place(self, staged: str, item: Item) -> None:
        """Give the file that has come its name."""
        path = Path(staged)
        # Inside a tree a link is replaced: what it leads to may be anywhere. One that was named is followed.
        target = Path(item.target) if item.path else Path(item.target).resolve()
        try:
            found = path.stat().st_size
            if found != item.size:
                raise TransferError(f"{item.source} changed while it was fetched: {found:,} bytes, not {item.size:,}")
            with path.open("rb") as file:
                archive.settle(file.fileno(), item, keep=self._transfer.spec.keep)
            if target.is_dir() and not target.is_symlink():
                raise TransferError(f"{target} is a directory; a file can't take its place")
            archive.check_place(item, self._root)
            path.replace(target)
        except OSError as error:
            raise TransferError(f"{target}: {error.strerror or error}") from None

    async def _check_run(self, word: str, words: Words, alias: str) -> None:
        reply = await self._side.run(f"{words.preamble}ln -s {word} {alias}", word, 30)
        if reply.exit_code != 0:
            raise FilesError(f"the sandbox could not make a link in /tmp: {reply.stderr.strip()[-200:]}")

    async def _put(self, path: str, script: bytes) -> None:
        await self._client.upload_bytes(self._id, path, script)

    async def _clean(self, stem: str) -> None:
        try:
            await self._side.run(f"rm -f {stem}.sh {stem}.tar", stem, 30)
        except FilesError:
            self._transfer.untidy = True  # an error that led here must not be hidden by another

    async def _drop(self, alias: str) -> None:
        try:
            await self._side.run(f"rm -f {alias}", alias, 30)
        except FilesError:
            self._transfer.untidy = True
