"""Downloading from a sandbox: to a temporary name, verified, then renamed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

from sandtui.cancellation import run_to_end
from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.directories import make_private
from sandtui.fleet.files.names import FilesError, beside, is_text
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import ShellArguments
from sandtui.fleet.transfers import archive
from sandtui.fleet.transfers.model import PausedError, Transfer, TransferError
from sandtui.fleet.transfers.plan import TransferItem

RESUME_BYTES = 32 * 1024 * 1024
"""Size from which a partial download is resumed, whatever ended the last attempt."""

OnBytes = Callable[[int], None]


class Downloader:
    """Downloads files of one transfer from one sandbox."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, transfer: Transfer) -> None:
        self._client, self._id, self._transfer = client, sandbox_id, transfer
        self._side = SandboxFileSystem(client, sandbox_id)
        target = transfer.spec.target
        # Files in transit to another sandbox are stored under generated names.
        self._root = target.path if target.sandbox_id is None else ""

    async def download(self, item: TransferItem, on_bytes: OnBytes) -> None:
        """Download one file. An existing file is replaced only after the download is complete and verified.

        Raises:
            TransferError: it changed meanwhile, or can't be written.
            FilesError: the sandbox rejected it.
            SandboxClientError: the download was interrupted; a large file is resumed on retry.
        """
        staged = self._staged(item)
        reported = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal reported
            on_bytes(done - reported)
            reported = done
            self._transfer.check()

        source, alias = item.source, ""
        try:
            if not is_text(source):
                # The platform's download requires a UTF-8 path: use a link in the sandbox.
                alias = f"/tmp/.sandtui-{self._transfer.id}-{secrets.token_hex(4)}"  # noqa: S108 - in a sandbox
                arguments = ShellArguments()
                await self._check_run(f"{arguments.add(item.source)}", arguments, alias)
                source = alias
            checksum = self._transfer.spec.checksum
            version = (item.size, item.modified) if item.size >= RESUME_BYTES else None
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
            raise  # the partial file waits for a retry; the queue removes it when there is none
        except BaseException as error:
            if not isinstance(error, SandboxClientError):
                await asyncio.to_thread(self.forget, item)
            raise
        finally:
            if alias:
                await run_to_end(self._drop(alias))

    async def download_archive(
        self, items: list[TransferItem], root: str, folder: Path, on_bytes: OnBytes
    ) -> list[TransferItem]:
        """Download small files as one archive; return those that were not in it as they were listed.

        ``root`` is the directory in the sandbox that their paths are relative to; ``folder`` a private local one.

        Raises:
            TransferError: one can't be written.
            FilesError: the sandbox rejected it.
            SandboxClientError: the transfer was interrupted; none of the files was written.
        """
        whole = sum(item.size for item in items)
        stem = f"/tmp/.sandtui-{self._transfer.id}-{secrets.token_hex(4)}"  # noqa: S108 - in a sandbox
        here = folder / f"{secrets.token_hex(8)}.tar"
        reported = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal reported
            share = min(whole, whole * done // total) if total else 0
            on_bytes(share - reported)
            reported = share
            self._transfer.check()

        try:
            await asyncio.to_thread(make_private, folder)
            # Not interrupted by cancellation: a file that arrives after the cleanup would stay.
            await run_to_end(self._put(f"{stem}.sh", archive.pack_script(items, root, f"{stem}.tar")))
            response = await self._side.run(f"sh {stem}.sh", root, 900)
            if response.exit_code != 0:
                raise FilesError(f"{root} can't be read: {response.stderr.strip()[-200:]}")
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
            on_bytes(-reported)
            raise
        finally:
            here.unlink(missing_ok=True)
            await run_to_end(self._clean(stem))
        missed = [item for item in items if item.path not in set(done)]
        on_bytes(whole - reported - sum(item.size for item in missed))
        return missed

    def forget(self, item: TransferItem) -> None:
        """Remove the partial files of earlier attempts on this machine."""
        staged = Path(self._staged(item))
        own = f".{staged.name}."
        try:
            names = list(staged.parent.iterdir())
        except OSError:
            return
        for path in names:
            if path.name == staged.name or path.name.startswith(own):
                path.unlink(missing_ok=True)

    def _staged(self, item: TransferItem) -> str:
        return beside(item.target, f"{self._transfer.id}.part")

    def _place(self, staged: str, item: TransferItem) -> None:
        """Move a complete file into place."""
        path = Path(staged)
        # Inside a tree a link is replaced, since its target may be anywhere; a link named by the user is followed.
        target = Path(item.target) if item.path else Path(item.target).resolve()
        try:
            found = path.stat().st_size
            if found != item.size:
                raise TransferError(
                    f"{item.source} changed during the download: {found:,} bytes instead of {item.size:,}"
                )
            with path.open("rb") as file:
                archive.settle(file.fileno(), item, keep=self._transfer.spec.keep)
            if target.is_dir() and not target.is_symlink():
                raise TransferError(f"{target} is a directory: a file can't replace it")
            archive.check_inside(item, self._root)
            path.replace(target)
        except OSError as error:
            raise TransferError(f"{target}: {error.strerror or error}") from None

    async def _check_run(self, word: str, arguments: ShellArguments, alias: str) -> None:
        response = await self._side.run(f"{arguments.preamble}ln -s {word} {alias}", word, 30)
        if response.exit_code != 0:
            raise FilesError(f"can't create a link in /tmp of the sandbox: {response.stderr.strip()[-200:]}")

    async def _put(self, path: str, script: bytes) -> None:
        await self._client.upload_bytes(self._id, path, script)

    async def _clean(self, stem: str) -> None:
        try:
            await self._side.run(f"rm -f {stem}.sh {stem}.tar", stem, 30)
        except FilesError:
            self._transfer.untidy = True  # must not hide the error that led here

    async def _drop(self, alias: str) -> None:
        try:
            await self._side.run(f"rm -f {alias}", alias, 30)
        except FilesError:
            self._transfer.untidy = True
