"""File transfers: streamed, whole or in parts, verified, and atomic."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from sandtui.client.calls import gateway
from sandtui.client.checks import check_seconds, check_text
from sandtui.client.errors import (
    APIError,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadTimeoutError,
    InvalidRequestError,
    NotFoundError,
    SandboxFileNotFoundError,
    SandboxFileTooLargeError,
)
from sandtui.client.flows.base import Flows
from sandtui.client.flows.commands import Commands
from sandtui.client.flows.parts import BREAKS, PartedTransfers, Version, upload
from sandtui.client.local_file import LocalFile
from sandtui.client.models import FileUploadResponse, ReadFileResponse
from sandtui.client.shell_words import path_word
from sandtui.client.transfers import Progress, Range, check_source, local_path, multipart, no_progress

UPLOAD_LIMIT = 200_000_000
"""Maximum size of an upload in bytes (WIRE.md 3); larger files are sent in parts."""


class Files(Flows):
    """Operations on files. Paths in the sandbox are absolute; the remote path comes first, as in the SDK."""

    async def upload_file(
        self,
        sandbox_id: str,
        file_path: str,
        local_file_path: str | Path,
        timeout: float | None = None,
        *,
        on_progress: Progress = no_progress,
        checksum: bool = False,
    ) -> FileUploadResponse:
        """Upload a local file to ``file_path``, which is replaced once everything has arrived.

        Files over 200 MB are sent in parts, which are joined and verified in the sandbox; a repeated call after a
        failure resumes with the parts that are there. ``timeout`` is in seconds per part, 300 by default. ``checksum``
        compares the sha256 that the sandbox computes; without ``sha256sum`` in the sandbox it fails, and for files in
        parts only the size is compared then. ``on_progress`` is called in the thread that reads the file: a separate
        one with the asynchronous client, otherwise the caller's.

        Raises:
            InvalidRequestError: the local file does not exist, or is a directory; nothing was sent.
            UploadTimeoutError: the upload did not finish in time.
            ChecksumMismatchError: the transferred file is corrupt.
            SandboxFileDeniedError: the path is read-only or belongs to another user.
            SandboxDiskFullError: no space is left.
            SandboxNotRunningError: the sandbox has ended.
        """
        check_remote(file_path)
        if timeout is not None:
            check_seconds("the timeout", timeout)
        path = local_path(local_file_path)
        size = await self._session.port.work(check_source, path)
        if size > UPLOAD_LIMIT:
            return await PartedTransfers(self._session).send(sandbox_id, file_path, path, size, timeout, on_progress)
        sent = 0

        def count(amount: int) -> None:
            nonlocal sent
            sent += amount
            on_progress(min(sent, size), size)

        source = Range(path, 0, size, count, hashed=checksum)

        def read() -> Iterator[bytes]:
            nonlocal sent
            sent = 0
            return source.read()

        body, content_type = multipart(path.name, size, read)
        response = await upload(self._session, sandbox_id, file_path, body, content_type, timeout)
        if checksum:
            await self._verify(sandbox_id, file_path, source.sha256.hexdigest())
        return response

    async def upload_bytes(
        self,
        sandbox_id: str,
        file_path: str,
        file_bytes: bytes,
        filename: str | None = None,
        timeout: float | None = None,
    ) -> FileUploadResponse:
        """Upload bytes to ``file_path``.

        Raises:
            InvalidRequestError: they are more than 200 MB; nothing was sent.
            UploadTimeoutError: the upload did not finish in time.
            SandboxFileDeniedError: the path is read-only or belongs to another user.
            SandboxDiskFullError: no space is left.
        """
        check_remote(file_path)
        if not isinstance(file_bytes, (bytes, bytearray, memoryview)):
            raise InvalidRequestError(f"file_bytes must be bytes, not {type(file_bytes).__name__}")
        file_bytes = bytes(file_bytes)
        if len(file_bytes) > UPLOAD_LIMIT:
            raise InvalidRequestError(
                f"{len(file_bytes):,} bytes are over the limit of {UPLOAD_LIMIT:,}; "
                "write them to a file and use upload_file, which sends parts"
            )
        body, content_type = multipart(filename or Path(file_path).name, len(file_bytes), lambda: iter([file_bytes]))
        return await upload(self._session, sandbox_id, file_path, body, content_type, timeout)

    async def download_file(
        self,
        sandbox_id: str,
        file_path: str,
        local_file_path: str | Path,
        timeout: float | None = None,
        *,
        on_progress: Progress = no_progress,
        checksum: bool = False,
        version: tuple[int, int] | None = None,
        mark: str | None = None,
    ) -> None:
        """Download a file; afterwards ``local_file_path`` holds the complete file, or its previous content.

        A large file is resumed in parts if the transfer breaks off, or if it is over the platform's limit; a repeated
        call after a failure resumes too, unless the file has changed. With ``version``, its size in bytes and its
        modification time in seconds since 1970, that also works after a call was cancelled or its program killed.
        ``mark``, letters and digits, is part of the name ``.NAME.MARK.part`` of the temporary file that a killed call
        may leave next to the file in the sandbox, so that it can be removed. ``timeout`` is in seconds per wait, 300 by
        default. ``checksum`` compares the sha256 that the sandbox computes, concurrently if possible. Symbolic links
        are followed, and a replaced file keeps its mode. ``on_progress`` is called in the thread that writes the file,
        as with :meth:`upload_file`.

        Raises:
            InvalidRequestError: the local path is a directory, or can't be written.
            SandboxFileNotFoundError: the file does not exist in the sandbox.
            DownloadTimeoutError: the download did not finish in time.
            ChecksumMismatchError: the transferred file is corrupt.
        """
        check_remote(file_path)
        seconds = gateway.TRANSFER_TIMEOUT if timeout is None else check_seconds("the timeout", timeout)
        target = LocalFile(self._session.port, local_path(local_file_path), on_progress, hashed=checksum)
        known = None if version is None else Version(version[0], str(version[1]))
        async with AsyncExitStack() as cleanup:
            cleanup.push_async_callback(target.discard)
            await target.open()
            summing = None
            if checksum:
                flow = self._remote_sha256(sandbox_id, file_path)
                summing = await cleanup.enter_async_context(self._session.port.concurrently(flow))
            try:
                await self._receive(sandbox_id, file_path, target, seconds, known, mark)
                if summing is not None:
                    try:
                        expected = await summing
                    except BREAKS:
                        expected = await self._remote_sha256(sandbox_id, file_path)
                    _compare(sandbox_id, file_path, target.sha256.hexdigest(), expected)
            except BaseException as error:
                # Not an Exception: a cancellation, with either port.
                if isinstance(error, BREAKS) or (known is not None and not isinstance(error, Exception)):
                    target.keep()
                raise
            await target.finish()

    async def read_file(
        self,
        sandbox_id: str,
        file_path: str,
        timeout: float | None = None,
        offset: int | None = None,
        length: int | None = None,
    ) -> ReadFileResponse:
        """Return a text file, or ``length`` bytes of it from ``offset``; a negative offset counts from the end.

        Raises:
            InvalidRequestError: the length is negative, or the path is empty; nothing was sent.
            SandboxFileNotFoundError: the file does not exist.
            SandboxFileTooLargeError: it is too large to read at once; use ``offset`` and ``length``.
        """
        check_remote(file_path)
        if length is not None and length < 0:
            raise InvalidRequestError("a window's length can't be negative")
        seconds = gateway.READ_TIMEOUT if timeout is None else check_seconds("the timeout", timeout)
        call = gateway.read_file(file_path, offset, length, seconds)

        def too_slow(reason: str) -> APIError:
            return APIError(f"the file could not be read in time: {reason}", sandbox_id=sandbox_id)

        try:
            return await self._session.gateway(sandbox_id, call, too_slow)
        except NotFoundError as error:
            raise not_found(error, file_path) from None

    async def _receive(
        self,
        sandbox_id: str,
        file_path: str,
        target: LocalFile,
        timeout: float,
        version: Version | None,
        mark: str | None,
    ) -> None:
        parts = PartedTransfers(self._session)
        known = version
        if known is None and await target.has_partial():
            known = await parts.version(sandbox_id, file_path)
        if known is not None and await target.has_partial(known.identity(sandbox_id, file_path)):
            # First resume from an earlier attempt: a full download would discard its data.
            return await parts.fetch(sandbox_id, file_path, target, timeout, known, mark=mark)
        if version is not None:
            await target.resume_as(version.identity(sandbox_id, file_path))
        try:
            await self._fetch(sandbox_id, file_path, target, timeout)
        except SandboxFileTooLargeError:
            await parts.fetch(sandbox_id, file_path, target, timeout, mark=mark)
        except (ConnectionFailedError, DownloadTimeoutError):
            if target.may_restart:
                raise
            await parts.fetch(sandbox_id, file_path, target, timeout, mark=mark)

    async def _fetch(self, sandbox_id: str, file_path: str, target: LocalFile, timeout: float) -> None:
        call = gateway.download(sandbox_id, file_path, timeout)

        def too_slow(reason: str) -> DownloadTimeoutError:
            return DownloadTimeoutError(f"{file_path} was not downloaded in time: {reason}", sandbox_id=sandbox_id)

        try:
            await self._session.gateway(sandbox_id, call, too_slow, target)
        except NotFoundError as error:
            raise not_found(error, file_path) from None
        await target.check_whole()

    async def _verify(self, sandbox_id: str, file_path: str, sent: str) -> None:
        _compare(sandbox_id, file_path, await self._remote_sha256(sandbox_id, file_path), sent)

    async def _remote_sha256(self, sandbox_id: str, file_path: str) -> str:
        """Return the sha256 of a file, computed in the sandbox."""
        script = f"sha256sum < {path_word(file_path)}"
        result = await Commands(self._session).execute_command(sandbox_id, script, timeout=900)
        found = result.stdout.split(" ", 1)[0].strip()
        if result.exit_code != 0 or len(found) != hashlib.sha256().digest_size * 2:
            raise APIError(
                f"the sandbox could not compute the sha256 of {file_path}: {result.stderr.strip()[-200:]}",
                sandbox_id=sandbox_id,
            )
        return found


def _compare(sandbox_id: str, file_path: str, actual: str, expected: str) -> None:
    """Compare the sha256 of the received file with that of the sent one."""
    if actual != expected:
        raise ChecksumMismatchError(
            f"{file_path} was corrupted in transfer: sha256 {actual[:12]}… instead of {expected[:12]}…",
            sandbox_id=sandbox_id,
        )


def check_remote(path: str) -> None:
    """Validate the path of a file in a sandbox.

    Raises:
        InvalidRequestError: it is not a string, is empty, or ends with a slash.
    """
    check_text("the path in the sandbox", path)
    if path.endswith("/"):
        raise InvalidRequestError(f"{path!r} names a directory; add the file name")


def not_found(error: NotFoundError, path: str) -> SandboxFileNotFoundError:
    """Return the error for a file that does not exist."""
    return SandboxFileNotFoundError(
        f"there is no file {path} in the sandbox",
        status_code=404,
        method=error.method,
        path=error.path,
        sandbox_id=error.sandbox_id,
    )
