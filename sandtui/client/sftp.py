"""Files over SFTP, with the guarantees of the calls over HTTP.

Measured on the local platform, HTTP is faster by far: SFTP encrypts every byte, and asks for each piece of it. It is
for those whose gateway is slow, limits what it takes, or is not to see the files.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncssh

from sandtui.client.errors import (
    APIError,
    ChecksumMismatchError,
    ConnectionFailedError,
    SandboxClientError,
    SandboxFileNotFoundError,
)
from sandtui.client.flows.files import check_remote
from sandtui.client.flows.parts import Version
from sandtui.client.local_file import WRITE_AT_ONCE, LocalFile
from sandtui.client.models import FileUploadResponse
from sandtui.client.shell_words import path_word
from sandtui.client.transfers import Progress, Range, check_source, local_path, no_progress

if TYPE_CHECKING:
    from sandtui.client.async_client import AsyncSandboxClient

SESSION_SECONDS = 3600
"""How long the way in may stay open, the longest that the platform gives (wire.md 7)."""

BLOCK = 256 * 1024
"""Bytes that are asked for or sent in one message, if the server takes as many."""

SAFE_BLOCK = 32 * 1024
"""Bytes that every server takes (draft-ietf-secsh-filexfer-02, section 3)."""

CLOSE_SECONDS = 2.0
"""Seconds that a file may take to be closed after something went wrong."""

_BROKEN = (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost, ConnectionError)

WINDOW = 16
"""Messages that are under way at once, so that their answers need not be waited for one by one."""


@contextlib.asynccontextmanager
async def open_sftp(client: AsyncSandboxClient, sandbox_id: str) -> AsyncIterator[SFTPFiles]:
    """Open an SSH connection into a sandbox for its files; with the block it is closed and cleaned up.

    Raises:
        APIError: the platform has no SSH for this sandbox, or the sandbox no SFTP.
        ConnectionFailedError: nothing answered at the address that the platform gave.
    """
    async with client.connect_ssh(sandbox_id, SESSION_SECONDS) as connection:
        try:
            # Names of files are bytes: those that are no text go through as they are.
            sftp = await connection.start_sftp_client(path_errors="surrogateescape")
        except (asyncssh.Error, OSError) as error:
            raise APIError(f"the sandbox offers no SFTP: {error}", sandbox_id=sandbox_id) from None
        async with sftp:
            yield SFTPFiles(client, sandbox_id, sftp)


class SFTPFiles:
    """The files of one sandbox; its methods are called like those of the client."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, sftp: asyncssh.SFTPClient) -> None:
        self._client, self._id, self._sftp = client, sandbox_id, sftp

    async def upload_file(
        self, sandbox_id: str, file_path: str, local_file_path: str | Path, *, on_progress: Progress = no_progress
    ) -> FileUploadResponse:
        """Send a local file to ``file_path``, with the directories above it.

        It grows under this very name: choose one that nobody looks at, compare, and rename it. What breaks off leaves
        what has come; any other failure removes it.

        Raises:
            InvalidRequestError: there is no such local file, or it is a directory; nothing was sent.
            ConnectionFailedError: the connection broke.
            APIError: the sandbox refused.
        """
        self._check(sandbox_id, file_path)
        path = local_path(local_file_path)
        size = await asyncio.to_thread(check_source, path)
        done = 0

        async def send(file: asyncssh.SFTPClientFile, piece: bytes, offset: int) -> None:
            nonlocal done
            await file.write(piece, offset)
            done += len(piece)
            on_progress(done, size)

        with self._explained(file_path):
            file = await self._create(file_path)
            pieces = _pieces(Range(path, 0, size, lambda amount: None).read(), self._block(self._limits.max_write_len))
            try:
                async with _closing(file):
                    await _in_order((send(file, piece, offset) async for offset, piece in pieces), _nothing)
            except (SandboxClientError, asyncssh.SFTPError) as error:
                if not isinstance(
                    error, (ConnectionFailedError, asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost)
                ):
                    with contextlib.suppress(asyncssh.Error, OSError):
                        await self._sftp.remove(file_path)
                raise
            finally:
                await pieces.aclose()
        return FileUploadResponse(success=True, path=file_path, size=size, timestamp=datetime.now(UTC))

    async def download_file(
        self,
        sandbox_id: str,
        file_path: str,
        local_file_path: str | Path,
        *,
        on_progress: Progress = no_progress,
        checksum: bool = False,
        version: tuple[int, int] | None = None,
        mark: str | None = None,
    ) -> None:
        """Fetch a file; see :meth:`AsyncSandboxClient.download_file`. What has come is gone on with at its last byte.

        ``on_progress`` is called in a thread. ``mark`` is not needed: nothing is left in the sandbox.

        Raises:
            InvalidRequestError: the local path is a directory, or can't be written.
            SandboxFileNotFoundError: there is no such file in the sandbox.
            ConnectionFailedError: the connection broke.
            ChecksumMismatchError: what arrived is something else.
        """
        self._check(sandbox_id, file_path)
        port = self._client._session.port
        target = LocalFile(port, local_path(local_file_path), on_progress, hashed=checksum)
        async with contextlib.AsyncExitStack() as cleanup:
            cleanup.push_async_callback(target.discard)
            await target.open()
            summing = await cleanup.enter_async_context(port.beside(self._sum(file_path))) if checksum else None
            try:
                with self._explained(file_path):
                    await self._receive(file_path, target, version)
                if summing is not None and await summing != target.sha256.hexdigest():
                    raise ChecksumMismatchError(f"{file_path} is not what was transferred", sandbox_id=self._id)
            except BaseException as error:
                # What is no Exception is a cancellation.
                if isinstance(error, ConnectionFailedError) or not isinstance(error, Exception):
                    target.keep()
                raise
            await target.finish()

    async def _receive(self, file_path: str, target: LocalFile, version: tuple[int, int] | None) -> None:
        file = await self._sftp.open(file_path, "rb", block_size=0)
        async with _closing(file):
            found = await file.stat()
            size = found.size or 0
            if version is not None:
                # The protocol has 32 bits for a time, and need not tell it.
                later = 0 if found.mtime is None else (found.mtime - version[1]) % 2**32
                if size != version[0] or later:
                    raise ChecksumMismatchError(f"{file_path} changed before it was downloaded", sandbox_id=self._id)
                await target.resume_as(Version(size, str(version[1])).identity(self._id, file_path))
            await target.cut(min(target.done, size))
            await asyncio.to_thread(target.begin, size - target.done)
            block = self._block(self._limits.max_read_len)
            gathered: list[bytes] = []

            async def take(piece: bytes) -> None:
                gathered.append(piece)
                if sum(map(len, gathered)) >= WRITE_AT_ONCE:
                    await self._pour(target, gathered)

            offsets = range(target.done, size, block)
            reads = (_read(file, offset, min(block, size - offset)) for offset in offsets)
            await _in_order(_each(reads), take)
            await self._pour(target, gathered)
        await target.check_whole()

    async def _pour(self, target: LocalFile, gathered: list[bytes]) -> None:
        data = b"".join(gathered)
        gathered.clear()
        if data:
            port = self._client._session.port
            # To its end: what uses the file must not outlive it.
            await port.shielded(port.work(target.take, data))

    async def _create(self, file_path: str) -> asyncssh.SFTPClientFile:
        try:
            return await self._sftp.open(file_path, "wb", block_size=0)
        except asyncssh.SFTPNoSuchFile:
            await self._sftp.makedirs(str(Path(file_path).parent), exist_ok=True)
            return await self._sftp.open(file_path, "wb", block_size=0)

    async def _sum(self, file_path: str) -> str:
        reply = await self._client.execute_command(self._id, f"sha256sum < {path_word(file_path)}", timeout=900)
        if reply.exit_code != 0:
            words = f"the sandbox could not compute the sha256 of {file_path}: {reply.stderr.strip()[-200:]}"
            raise APIError(words, sandbox_id=self._id)
        return reply.stdout.split(" ", 1)[0].strip()

    @property
    def _limits(self) -> asyncssh.sftp.SFTPLimits:
        return self._sftp.limits

    @staticmethod
    def _block(most: int) -> int:
        return min(BLOCK, most or SAFE_BLOCK)

    def _check(self, sandbox_id: str, file_path: str) -> None:
        check_remote(file_path)
        if sandbox_id != self._id:
            raise ValueError(f"this connection leads into {self._id}, not {sandbox_id}")

    @contextlib.contextmanager
    def _explained(self, file_path: str) -> Iterator[None]:
        """Turn errors of SSH into those of the client."""
        try:
            yield
        except asyncssh.SFTPNoSuchFile:
            words = f"there is no file {file_path} in the sandbox"
            raise SandboxFileNotFoundError(words, sandbox_id=self._id) from None
        except _BROKEN as error:
            raise ConnectionFailedError(f"the SSH connection broke: {error}", sent=True, sandbox_id=self._id) from None
        except asyncssh.SFTPError as error:
            raise APIError(f"{file_path}: {error.reason or 'the sandbox refused'}", sandbox_id=self._id) from None
        except asyncssh.Error as error:
            raise ConnectionFailedError(f"the SSH connection broke: {error}", sent=True, sandbox_id=self._id) from None


async def _read(file: asyncssh.SFTPClientFile, offset: int, length: int) -> bytes:
    """Read all of a block: a server may answer with less, and with more only if it is hostile."""
    pieces = []
    while length:
        piece = cast("bytes", await file.read(length, offset))[:length]
        if not piece:
            break  # it became shorter: who takes the pieces counts them
        pieces.append(piece)
        offset, length = offset + len(piece), length - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _in_order(works: AsyncIterator[Coroutine[Any, Any, Any]], take: Callable[[Any], Awaitable[None]]) -> None:
    """Have :data:`WINDOW` pieces of work under way, and hand their results over in their order."""
    running: deque[asyncio.Task[Any]] = deque()
    try:
        async for work in works:
            running.append(asyncio.ensure_future(work))
            if len(running) >= WINDOW:
                await take(await running.popleft())
        while running:
            await take(await running.popleft())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _each(works: Iterator[Coroutine[Any, Any, bytes]]) -> AsyncIterator[Coroutine[Any, Any, bytes]]:
    for work in works:
        yield work


async def _pieces(source: Iterator[bytes], block: int) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield the offset and the bytes of each block of a local file, which is read in threads."""
    offset = 0
    try:
        while piece := await asyncio.to_thread(next, source, b""):
            for start in range(0, len(piece), block):
                part = piece[start : start + block]
                yield offset, part
                offset += len(part)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


@contextlib.asynccontextmanager
async def _closing(file: asyncssh.SFTPClientFile) -> AsyncIterator[None]:
    """Close a file of the sandbox; when the connection is gone, so is the file."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
            await asyncio.wait_for(file.close(), CLOSE_SECONDS)
        raise
    await file.close()


async def _nothing(_: object) -> None:
    return None
