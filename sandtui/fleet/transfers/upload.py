"""Uploading to a sandbox: to a temporary name, verified there, then renamed."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from sandtui.cancellation import run_to_end
from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.client.toolkit import UPLOAD_LIMIT, check_source
from sandtui.fleet.files.names import FilesError, base, beside, is_text, join, parent
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import ShellArguments
from sandtui.fleet.transfers import archive
from sandtui.fleet.transfers import upload_check as arrival
from sandtui.fleet.transfers.model import PausedError, Transfer, TransferError
from sandtui.fleet.transfers.plan import TransferItem

FINISH_SECONDS = 900
_WRONG_SIZE, _WRONG_SUM, _FOLDER, _NOT_MOVED = 61, 62, 63, 64

_CHECKSUM_MISMATCH = "{}: sha256 mismatch after the upload; the file was not changed"

SEPARATE_CHECKSUM_BYTES = 8 * 1024 * 1024
"""Size from which a separate command pays off, so that both sides compute the sha256 at the same time."""

OnBytes = Callable[[int], None]


class Uploader:
    """Uploads files of one transfer to one sandbox."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, transfer: Transfer) -> None:
        self._client, self._id, self._transfer = client, sandbox_id, transfer
        self._side = SandboxFileSystem(client, sandbox_id)

    async def upload(self, item: TransferItem, on_bytes: OnBytes) -> None:
        """Upload one file. An existing file is replaced only after the upload is complete and verified.

        Raises:
            TransferError: it changed meanwhile, or arrived damaged.
            FilesError: the sandbox rejected it.
            SandboxClientError: the upload was interrupted; large files are resumed on retry.
        """
        path = Path(item.source)
        before = await asyncio.to_thread(_facts, path)
        staged = self._staged(item.target)
        reported = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal reported
            self._transfer.check()
            on_bytes(done - reported)
            reported = done

        size = before[0]
        # The client verifies parts when it joins them.
        checksum = self._transfer.spec.checksum and size <= UPLOAD_LIMIT
        try:
            await self._client.upload_file(self._id, staged, path, on_progress=progress)
            expected = ""
            if checksum and size < SEPARATE_CHECKSUM_BYTES:
                expected = await asyncio.to_thread(_sha256, path)
            elif checksum:
                await self._compare(item, staged, path)
            if await asyncio.to_thread(_facts, path) != before:
                raise TransferError(f"{item.source} changed during the upload: try again when it is complete")
            await self._finish(item, staged, size, expected)
        except PausedError:
            raise
        except BaseException as error:
            if not isinstance(error, SandboxClientError):
                await run_to_end(self._forget(staged))
            raise

    async def upload_archive(self, items: list[TransferItem], root: str, folder: Path, on_bytes: OnBytes) -> None:
        """Upload small files as one archive, unpacked beside their targets and then moved into place.

        ``root`` is a directory in the sandbox that contains all targets; ``folder`` is a private local one.

        Raises:
            TransferError: one changed meanwhile, or they arrived damaged.
            FilesError: the sandbox rejected it.
            SandboxClientError: the transfer was interrupted; either none or all of the files were written.
        """
        whole = sum(item.size for item in items)
        packed = await asyncio.to_thread(archive.pack, items, folder, keep=self._transfer.spec.keep)
        stage = join("/tmp" if not is_text(root) else root, f".sandtui-{self._transfer.id}-{secrets.token_hex(4)}")  # noqa: S108 - in a sandbox
        reported = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal reported
            self._transfer.check()
            share = whole * done // total if total else 0
            on_bytes(share - reported)
            reported = share

        try:
            await self._client.upload_file(self._id, f"{stage}.tar", packed.path, on_progress=progress)
            self._transfer.check()
            command = archive.unpack_command(stage, root, packed.sha256)
            response = await self._side.run(command, root, FINISH_SECONDS)
            if response.exit_code != 0:
                raise archive.explain(response.exit_code, response.stderr, root)
        except BaseException:
            await run_to_end(self._forget(f"{stage}.tar", stage))
            on_bytes(-reported)
            raise
        finally:
            packed.path.unlink(missing_ok=True)
        on_bytes(whole - reported)

    def _staged(self, target: str) -> str:
        staged = beside(target, f"{self._transfer.id}.part")
        # The platform's upload requires a UTF-8 path: the shell moves the file to any other.
        return staged if is_text(staged) else f"/tmp/.{self._transfer.id}.part"  # noqa: S108 - in a sandbox

    async def _compare(self, item: TransferItem, staged: str, path: Path) -> None:
        """Compare the local and the remote sha256; both are computed at the same time."""
        arguments = ShellArguments()
        part = arguments.add(staged)
        command = f"p={part}; ! command -v sha256sum >/dev/null 2>&1 || sha256sum < \"$p\" | cut -d' ' -f1"
        response, here = await asyncio.gather(
            self._side.run(arguments.preamble + command, item.target, FINISH_SECONDS), asyncio.to_thread(_sha256, path)
        )
        there = response.stdout.strip()
        if there and there != here:
            raise TransferError(_CHECKSUM_MISMATCH.format(item.target))

    async def _finish(self, item: TransferItem, staged: str, size: int, digest: str) -> None:
        arguments = ShellArguments()
        part, target = arguments.add(staged), arguments.add(item.target)
        keep = self._transfer.spec.keep
        script = f"{arguments.preamble}p={part}; t={target}; "
        script += f'{arrival.check_command("p")}[ "$(wc -c < "$p")" -eq {size} ] || exit {_WRONG_SIZE}; '
        if digest:
            script += (
                "if command -v sha256sum >/dev/null 2>&1; then "
                f'[ "$(sha256sum < "$p" | cut -d" " -f1)" = {digest} ] || exit {_WRONG_SUM}; fi; '
            )
        if not item.path:
            script += 'if [ -L "$t" ]; then l=$(readlink -f "$t") && t=$l; fi; '
        else:
            # Inside a tree a link is replaced: mv would move into a directory that it leads to.
            script += 'if [ -L "$t" ]; then rm -f "$t" || exit 1; fi; '
        script += f'if [ -d "$t" ]; then exit {_FOLDER}; fi; '
        if keep:
            moment = time.strftime("%Y%m%d%H%M.%S", time.gmtime(item.modified))
            script += f'chmod {item.mode & 0o7777:o} "$p"; TZ=UTC0 touch -t {moment} "$p"; '
        else:
            mode = 0o755 if item.mode & 0o111 else 0o644
            script += f'm=$(stat -c %a "$t" 2>/dev/null) || m={mode:o}; chmod "$m" "$p"; '
        if parent(staged) != parent(item.target):
            arguments = ShellArguments()
            inside = arguments.add(beside(item.target, f"{self._transfer.id}.part"))
            script += f'{arguments.preamble}mv -f "$p" {inside} || exit {_NOT_MOVED}; p={inside}; '
        script += f'mv -f "$p" "$t" || exit {_NOT_MOVED}'
        response = await self._side.run(script, item.target, FINISH_SECONDS)
        if response.exit_code == 0:
            return
        reasons = {
            _WRONG_SIZE: f"{item.target}: size mismatch after the upload; the file was not changed",
            _WRONG_SUM: _CHECKSUM_MISMATCH.format(item.target),
            _FOLDER: f"{item.target} is a directory: a file can't replace it",
        }
        if problem := arrival.problem(response.exit_code, response.stderr, item.target):
            raise TransferError(problem)
        detail = response.stderr.strip()[-200:] or f"exit code {response.exit_code}"
        raise TransferError(reasons.get(response.exit_code) or f"{item.target}: {detail}")

    async def _forget(self, *paths: str) -> None:
        arguments = ShellArguments()
        patterns = []
        for path in paths:
            # The client's own parts are named after the file, with one more leading dot.
            own = join(parent(path), f".{base(path)}.")
            patterns += [arguments.add(path), arguments.add(own) + "*part*"]
        try:
            await self._side.run(f"{arguments.preamble}rm -rf {' '.join(patterns)}", paths[0], 30)
        except FilesError:
            self._transfer.untidy = True  # must not hide the error that led here


def _facts(path: Path) -> tuple[int, int]:
    """Return size and time of a source that can be uploaded."""
    size = check_source(path)
    return size, path.stat().st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
