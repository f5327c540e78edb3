"""From this machine into a sandbox: under a temporary name, checked there, then renamed."""

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
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.shell import Words
from sandtui.fleet.transfers import archive, arrival
from sandtui.fleet.transfers.model import PausedError, Transfer, TransferError
from sandtui.fleet.transfers.plan import Item

FINISH_SECONDS = 900
_WRONG_SIZE, _WRONG_SUM, _FOLDER, _NOT_MOVED = 61, 62, 63, 64

_OTHER_SUM = "{}: what arrived has another sha256; the file was not put in place"

SUMMED_APART_FROM = 8 * 1024 * 1024
"""Bytes from which on it is worth a command of its own that the sha256 is computed on both sides at the same time."""

OnBytes = Callable[[int], None]


class Sender:
    """Sends files of one transfer into one sandbox."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, transfer: Transfer) -> None:
        self._client, self._id, self._transfer = client, sandbox_id, transfer
        self._side = SandboxSide(client, sandbox_id)

    async def send(self, item: Item, on_bytes: OnBytes) -> None:
        """Send one file. What stood under its name is replaced when all has come and was found right.

        Raises:
            TransferError: it changed meanwhile, or did not arrive as it was.
            FilesError: the sandbox refused.
            SandboxClientError: it broke off; large files go on where they were.
        """
        path = Path(item.source)
        before = await asyncio.to_thread(_facts, path)
        staged = self._staged(item.target)
        told = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            self._transfer.check()
            on_bytes(done - told)
            told = done

        size = before[0]
        # Parts are compared by the client, where it joins them.
        checksum = self._transfer.spec.checksum and size <= UPLOAD_LIMIT
        try:
            await self._client.upload_file(self._id, staged, path, on_progress=progress)
            expected = ""
            if checksum and size < SUMMED_APART_FROM:
                expected = await asyncio.to_thread(_sha256, path)
            elif checksum:
                await self._compare(item, staged, path)
            if await asyncio.to_thread(_facts, path) != before:
                raise TransferError(f"{item.source} changed while it was sent; try again when it is written")
            await self._finish(item, staged, size, expected)
        except PausedError:
            raise
        except BaseException as error:
            if not isinstance(error, SandboxClientError):
                await run_to_end(self._forget(staged))
            raise

    async def send_archive(self, items: list[Item], root: str, folder: Path, on_bytes: OnBytes) -> None:
        """Send small files together: one archive, unpacked beside their places and then moved there.

        ``root`` is a directory in the sandbox that all of them are under; ``folder`` is a private one of this machine.

        Raises:
            TransferError: one changed meanwhile, or they did not arrive as they were.
            FilesError: the sandbox refused.
            SandboxClientError: it broke off; none of them has come then, or all.
        """
        whole = sum(item.size for item in items)
        packed = await asyncio.to_thread(archive.pack, items, folder, keep=self._transfer.spec.keep)
        stage = join("/tmp" if not is_text(root) else root, f".sandtui-{self._transfer.id}-{secrets.token_hex(4)}")  # noqa: S108 - in a sandbox
        told = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            self._transfer.check()
            share = whole * done // total if total else 0
            on_bytes(share - told)
            told = share

        try:
            await self._client.upload_file(self._id, f"{stage}.tar", packed.path, on_progress=progress)
            self._transfer.check()
            command = archive.unpack_command(stage, root, packed.sha256)
            reply = await self._side.run(command, root, FINISH_SECONDS)
            if reply.exit_code != 0:
                raise archive.explain(reply.exit_code, reply.stderr, root)
        except BaseException:
            await run_to_end(self._forget(f"{stage}.tar", stage))
            on_bytes(-told)
            raise
        finally:
            packed.path.unlink(missing_ok=True)
        on_bytes(whole - told)

    def _staged(self, target: str) -> str:
        staged = beside(target, f"{self._transfer.id}.part")
        # The platform's upload takes no path that is not UTF-8: the shell brings it there.
        return staged if is_text(staged) else f"/tmp/.{self._transfer.id}.part"  # noqa: S108 - in a sandbox

    async def _compare(self, item: Item, staged: str, path: Path) -> None:
        """Compare the sha256 here and in the sandbox; both are computed at the same time."""
        words = Words()
        command = f"p={words.add(staged)}; ! command -v sha256sum >/dev/null 2>&1 || sha256sum < \"$p\" | cut -d' ' -f1"
        reply, here = await asyncio.gather(
            self._side.run(words.preamble + command, item.target, FINISH_SECONDS), asyncio.to_thread(_sha256, path)
        )
        there = reply.stdout.strip()
        if there and there != here:
            raise TransferError(_OTHER_SUM.format(item.target))

    async def _finish(self, item: Item, staged: str, size: int, digest: str) -> None:
        words = Words()
        part, target = words.add(staged), words.add(item.target)
        keep = self._transfer.spec.keep
        script = f"{words.preamble}p={part}; t={target}; "
        script += f'{arrival.check_command("p")}[ "$(wc -c < "$p")" -eq {size} ] || exit {_WRONG_SIZE}; '
        if digest:
            script += (
                "if command -v sha256sum >/dev/null 2>&1; then "
                f'[ "$(sha256sum < "$p" | cut -d" " -f1)" = {digest} ] || exit {_WRONG_SUM}; fi; '
            )
        if not item.path:
            script += 'if [ -L "$t" ]; then l=$(readlink -f "$t") && t=$l; fi; '
        else:
            # Inside a tree a link is replaced: mv would go into the directory that it leads to.
            script += 'if [ -L "$t" ]; then rm -f "$t" || exit 1; fi; '
        script += f'if [ -d "$t" ]; then exit {_FOLDER}; fi; '
        if keep:
            moment = time.strftime("%Y%m%d%H%M.%S", time.gmtime(item.modified))
            script += f'chmod {item.mode & 0o7777:o} "$p"; TZ=UTC0 touch -t {moment} "$p"; '
        else:
            mode = 0o755 if item.mode & 0o111 else 0o644
            script += f'm=$(stat -c %a "$t" 2>/dev/null) || m={mode:o}; chmod "$m" "$p"; '
        if parent(staged) != parent(item.target):
            words = Words()
            inside = words.add(beside(item.target, f"{self._transfer.id}.part"))
            script += f'{words.preamble}mv -f "$p" {inside} || exit {_NOT_MOVED}; p={inside}; '
        script += f'mv -f "$p" "$t" || exit {_NOT_MOVED}'
        reply = await self._side.run(script, item.target, FINISH_SECONDS)
        if reply.exit_code == 0:
            return
        reasons = {
            _WRONG_SIZE: f"{item.target}: what arrived has another size; the file was not put in place",
            _WRONG_SUM: _OTHER_SUM.format(item.target),
            _FOLDER: f"{item.target} is a directory; a file can't take its place",
        }
        if problem := arrival.problem(reply.exit_code, reply.stderr, item.target):
            raise TransferError(problem)
        words_ = reply.stderr.strip()[-200:] or f"the command ended with {reply.exit_code}"
        raise TransferError(reasons.get(reply.exit_code) or f"{item.target}: {words_}")

    async def _forget(self, *paths: str) -> None:
        words = Words()
        patterns = []
        for path in paths:
            # The client's own parts are called after the file, behind one more dot.
            own = join(parent(path), f".{base(path)}.")
            patterns += [words.add(path), words.add(own) + "*part*"]
        try:
            await self._side.run(f"{words.preamble}rm -rf {' '.join(patterns)}", paths[0], 30)
        except FilesError:
            self._transfer.untidy = True  # the error that led here must not be hidden by another


def _facts(path: Path) -> tuple[int, int]:
    """Return size and time of a source that can be sent."""
    size = check_source(path)
    return size, path.stat().st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
