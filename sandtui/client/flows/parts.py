"""Transfers of files over the limit of one request: in parts, joined and verified in the sandbox.

Parts are named after the sha256 of the content, so that a repeated call finds those that have arrived. They lie in the
target's directory and are removed when they have been joined, and when the transfer fails for good or is cancelled.
Only a broken connection or a timeout leaves them, for the next call to resume. Joining needs space for the file twice.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandtui.client.call import StreamedBody
from sandtui.client.calls import gateway
from sandtui.client.checks import check_seconds
from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    ChecksumMismatchError,
    CommandTimeoutError,
    ConnectionFailedError,
    DownloadTimeoutError,
    InvalidRequestError,
    SandboxFileNotFoundError,
    ServerError,
    UploadTimeoutError,
)
from sandtui.client.flows.commands import Commands, run_quietly
from sandtui.client.local_file import LocalFile
from sandtui.client.models import FileUploadResponse
from sandtui.client.session import Session
from sandtui.client.shell_words import path_word, word
from sandtui.client.transfers import PIECE, Progress, Range, multipart, short_name

PART_SIZE = 64 * 1024 * 1024
"""Bytes per part: large enough for few requests, small enough to resend after a failure."""

JOIN_TIMEOUT = 900
BREAKS = (ConnectionFailedError, APITimeoutError, ServerError, UploadTimeoutError, DownloadTimeoutError)
"""Errors after which a transfer can be resumed."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a file: its size in bytes, and its modification time if known."""

    size: int
    changed: str

    def identity(self, sandbox_id: str, file_path: str) -> str:
        """Return an identifier of the file's content."""
        known = f"{sandbox_id}\0{file_path}\0{self.size}\0{self.changed}"
        return hashlib.sha256(known.encode()).hexdigest()[:16]


class PartedTransfers:
    """Uploads and downloads in parts, over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._commands = Commands(session)

    async def send(
        self,
        sandbox_id: str,
        file_path: str,
        path: Path,
        size: int,
        timeout: float | None,
        on_progress: Progress,
    ) -> FileUploadResponse:
        """Upload a file in parts, skipping those that an earlier call has sent."""
        digest = await self._session.port.work(sha256_of, path)
        stem = _sibling(file_path, f"{digest[:16]}.part")
        names = [f"{stem}{number:05}" for number in range(-(-size // PART_SIZE))]
        try:
            present = await self._sizes(sandbox_id, stem)
            done = 0
            for number, name in enumerate(names):
                offset = number * PART_SIZE
                length = min(PART_SIZE, size - offset)
                if present.get(name) != length:
                    await self._upload_part(sandbox_id, name, path, offset, length, timeout, on_progress, done, size)
                done += length
                on_progress(done, size)
            await self._join(sandbox_id, file_path, stem, size, digest)
        except (*BREAKS, CommandTimeoutError):
            raise
        except BaseException:
            await self._session.port.shielded(self._remove(sandbox_id, stem))
            raise
        return FileUploadResponse(success=True, path=file_path, size=size, timestamp=datetime.now(UTC))

    async def _upload_part(
        self,
        sandbox_id: str,
        name: str,
        path: Path,
        offset: int,
        length: int,
        timeout: float | None,
        on_progress: Progress,
        before: int,
        total: int,
    ) -> None:
        sent = 0

        def count(amount: int) -> None:
            nonlocal sent
            sent += amount
            on_progress(before + min(sent, length), total)

        body, content_type = multipart(path.name, length, Range(path, offset, length, count).read)
        await upload(self._session, sandbox_id, name, body, content_type, timeout)

    async def _join(self, sandbox_id: str, file_path: str, stem: str, size: int, digest: str) -> None:
        """Join the parts; they are removed last, so that a failed join can be repeated."""
        whole = f"{stem}.joining.{secrets.token_hex(4)}"
        parts = f"{path_word(stem)}[0-9][0-9][0-9][0-9][0-9]"
        target, joined = path_word(file_path), path_word(whole)
        script = (
            f": > {joined} || exit 3; trap {word(f'rm -f {joined}')} EXIT; trap 'exit 143' HUP INT TERM; "
            f'for p in {parts}; do cat "$p" >> {joined} || exit 3; done; '
            f'[ "$(wc -c < {joined})" -eq {size} ] || exit 4; '
            "if command -v sha256sum >/dev/null 2>&1; then "
            f'[ "$(sha256sum < {joined} | cut -d" " -f1)" = {digest} ] || exit 4; fi; '
            f"mv -f {joined} {target} || exit 5; rm -f {parts}"
        )
        try:
            result = await self._commands.execute_command(sandbox_id, script, timeout=JOIN_TIMEOUT)
        except BaseException:
            await self._session.port.shielded(run_quietly(self._session, sandbox_id, f"rm -f {joined}"))
            raise
        if result.exit_code == 4:
            raise ChecksumMismatchError(
                f"the parts of {file_path} do not add up to the file that was sent", sandbox_id=sandbox_id
            )
        if result.exit_code != 0:
            raise APIError(
                f"the parts of {file_path} could not be joined: {result.stderr.strip()[-200:]}", sandbox_id=sandbox_id
            )

    async def fetch(
        self,
        sandbox_id: str,
        file_path: str,
        target: LocalFile,
        timeout: float,
        version: Version | None = None,
        *,
        mark: str | None = None,
    ) -> None:
        """Download a file in parts, from where an earlier attempt ended."""
        found = await self.version(sandbox_id, file_path)
        if version not in {None, found}:
            raise ChecksumMismatchError(f"{file_path} changed while it was downloaded", sandbox_id=sandbox_id)
        size = target.total = found.size
        await target.resume_as(found.identity(sandbox_id, file_path))
        part = _sibling(file_path, f"{mark or secrets.token_hex(4)}.part")
        try:
            await target.cut(min(target.done, size) // PIECE * PIECE)
            while target.done < size:
                await self._fetch_part(sandbox_id, file_path, part, target, timeout)
        except BREAKS:
            target.keep()
            raise
        finally:
            await self._session.port.shielded(run_quietly(self._session, sandbox_id, f"rm -f {path_word(part)}"))
        if await self.version(sandbox_id, file_path) != found or target.done != size:
            raise ChecksumMismatchError(f"{file_path} changed while it was downloaded", sandbox_id=sandbox_id)

    async def _fetch_part(self, sandbox_id: str, file_path: str, part: str, target: LocalFile, timeout: float) -> None:
        """Copy the next part to a temporary file in the sandbox, and download that."""
        blocks = PART_SIZE // PIECE
        script = (
            f"dd if={word(file_path)} of={word(part)} bs={PIECE} "
            f"skip={target.done // PIECE} count={blocks} 2>/dev/null && [ -s {path_word(part)} ]"
        )
        result = await self._commands.execute_command(sandbox_id, script, timeout=JOIN_TIMEOUT)
        if result.exit_code != 0:
            raise APIError(
                f"the part of {file_path} at byte {target.done} could not be created in the sandbox",
                sandbox_id=sandbox_id,
            )

        def too_slow(reason: str) -> DownloadTimeoutError:
            return DownloadTimeoutError(f"{file_path} was not downloaded in time: {reason}", sandbox_id=sandbox_id)

        call = gateway.download(sandbox_id, part, timeout)
        await self._session.gateway(sandbox_id, call, too_slow, target)
        await target.check_whole()

    async def version(self, sandbox_id: str, file_path: str) -> Version:
        """Return the file's version, with the time if the sandbox can tell it."""
        name = path_word(file_path)
        script = f"wc -c < {name} && {{ stat -L -c %Y {name} || stat -L -f %m {name} || true; }} 2>/dev/null"
        result = await self._commands.execute_command(sandbox_id, script, timeout=60)
        size, _, changed = result.stdout.strip().partition("\n")
        if result.exit_code != 0 or not re.fullmatch(r"[0-9]{1,18}", size.strip()):
            raise SandboxFileNotFoundError(f"there is no file {file_path} in the sandbox", sandbox_id=sandbox_id)
        return Version(int(size), changed.strip())

    async def _sizes(self, sandbox_id: str, stem: str) -> dict[str, int]:
        """Return the existing parts with their sizes in bytes."""
        # Only the number is printed: a name may contain anything, even line breaks.
        script = f'for p in {path_word(stem)}*; do [ -f "$p" ] && echo "$(wc -c < "$p") ${{p##*.part}}"; done; true'
        result = await self._commands.execute_command(sandbox_id, script, timeout=60)
        sizes: dict[str, int] = {}
        for line in result.stdout.splitlines():
            size, _, number = line.strip().partition(" ")
            if re.fullmatch(r"[0-9]{1,18}", size):
                sizes[f"{stem}{number}"] = int(size)
        return sizes

    async def _remove(self, sandbox_id: str, stem: str) -> None:
        await run_quietly(self._session, sandbox_id, f"rm -f {path_word(stem)}*")


async def upload(
    session: Session, sandbox_id: str, file_path: str, body: StreamedBody, content_type: str, timeout: float | None
) -> FileUploadResponse:
    """Upload a file, or a part of one, in one request; ``timeout`` is in seconds."""
    seconds = gateway.TRANSFER_TIMEOUT if timeout is None else check_seconds("the timeout", timeout)
    call = gateway.upload(sandbox_id, file_path, body, content_type, seconds)

    def too_slow(reason: str) -> UploadTimeoutError:
        return UploadTimeoutError(f"{file_path} was not uploaded in time: {reason}", sandbox_id=sandbox_id)

    return await session.gateway(sandbox_id, call, too_slow)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a local file.

    Raises:
        InvalidRequestError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidRequestError(f"{path} can't be read: {error.strerror}") from None


def _sibling(file_path: str, suffix: str) -> str:
    folder, name = posixpath.split(file_path)
    return posixpath.join(folder, f".{short_name(name)}.{suffix}")
