"""Images of the platform (client/WIRE.md 2.15): copies from registries, builds of Dockerfiles, and their names."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.requests import Request

from sandtui.client.models.sandbox import CHANGING_STATUSES
from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.image_names import named_images
from sandtui.local.drivers.base import Driver, DriverError, ImageUnavailable
from sandtui.local.drivers.launcher import INTERPRETER
from sandtui.local.drivers.logs import SandboxLogs
from sandtui.local.files import private_directory, remove_tree
from sandtui.local.gateway.tokens import same
from sandtui.local.store.disk import Disk, DiskFull, is_full
from sandtui.local.store.images import ImageName, ImageRecord, ImageRegistry, ImageStatus
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry

MAX_IMAGES: Final = 1000
MAX_CONTEXT: Final = 1024 * 1024 * 1024
"""The most bytes of a build's context as it is uploaded."""
UPLOAD_SECONDS: Final = 3600
BUILD_SECONDS: Final = 3600.0
LOG_CHARACTERS: Final = 256 * 1024
_AT_ONCE: Final = 2
_BATCH: Final = 1024 * 1024
_CHECK: Final = Path(__file__).resolve().parent.parent / "context_check.py"
_INTERRUPTED: Final = "The platform was stopped while the image was made."

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Work:
    """A build that has not ended."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    ending: asyncio.Future[None] | None = None
    is_cancelled: bool = False
    log: str = ""

    def note(self, text: str) -> None:
        """Add to the log, whose beginning goes when it is too long."""
        text = text if text.endswith("\n") or not text else f"{text}\n"
        self.log = (self.log + text)[-LOG_CHARACTERS:]


class Builds:
    """Makes images in the background and finds those that sandboxes are created from."""

    def __init__(
        self, records: ImageRegistry, registry: Registry, driver: Driver, clock: Clock, disk: Disk, state_dir: Path
    ) -> None:
        self.records = records
        self._registry = registry
        self._driver = driver
        self._clock = clock
        self._disk = disk
        self._contexts = state_dir / "contexts"
        self._logs = SandboxLogs(state_dir / "builds")
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._work: dict[str, _Work] = {}

    async def open(self) -> None:
        """Finish what an earlier platform began: an unfinished build has failed, and nothing of it is kept."""
        self.records.load()
        self._logs.open()
        await asyncio.to_thread(remove_tree, self._contexts)
        private_directory(self._contexts, "directory")
        for record in self.records:
            if not record.is_finished:
                await self._store(replace(record, status=ImageStatus.FAILED, error=_INTERRUPTED), ended=True)
                if record.driver == self._driver.name:
                    await self._remove_files(record.id)
        for log in await asyncio.to_thread(self._logs.stored):
            if self.records.get(log.sandbox_id) is None:
                self._logs.remove(log.sandbox_id)
        try:
            left = await self._driver.images.remains()
        except DriverError:
            _log.exception("what is left of images cannot be listed")
            return
        for image_id in left:
            found = self.records.get(image_id)
            if found is None or found.status is not ImageStatus.COMPLETED:
                await self._remove_files(image_id)

    async def close(self) -> None:
        """Give up what is being made."""
        tasks = [work.task for work in self._work.values() if work.task is not None]
        for task in tasks:
            task.cancel()
        endings = [work.ending for work in self._work.values() if work.ending is not None]
        await asyncio.gather(*tasks, *endings, return_exceptions=True)

    async def begin(self, record: ImageRecord) -> ImageRecord:
        """Add a build. A copy begins at once; a Dockerfile waits for its context."""
        if len(self.records) >= MAX_IMAGES:
            detail = f"There are {MAX_IMAGES:,} images, which is the limit; delete some first."
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        await asyncio.to_thread(self._disk.check)
        record = await self.records.put(replace(record, driver=self._driver.name))
        work = self._work[record.id] = _Work()
        work.task = asyncio.create_task(self._carry_out(record.id, work), name=f"build {record.id}")
        return record

    def upload_path(self, record: ImageRecord) -> str:
        """Return the path, with a secret, to which the context of a build is sent."""
        return f"/uploads/{record.id}/{self._work[record.id].token}"

    async def upload(self, request: Request) -> None:
        """Store the context of a build as it arrives."""
        build_id = request.path_params["id"]
        work, record = self._work.get(build_id), self.records.get(build_id)
        if work is None or record is None or not same(request.path_params["token"], work.token):
            raise wire.problem(HTTPStatus.NOT_FOUND, "There is no build that waits for this upload.")
        if record.source_image is not None or work.started.is_set():
            raise wire.problem(HTTPStatus.CONFLICT, "The build has its context already.")
        if wire.declared_length(request) > MAX_CONTEXT:
            raise _context_too_large()
        await self._store(replace(record, status=ImageStatus.UPLOADING))
        part = self._contexts / f"{build_id}.{secrets.token_hex(4)}"
        try:
            await self._receive(request, part)
            # Cancelled or started meanwhile: then nothing would remove the file.
            if build_id not in self._work or work.started.is_set():
                raise wire.problem(HTTPStatus.CONFLICT, "The build does not wait for an upload any more.")
            part.rename(self._context(build_id))
        finally:
            part.unlink(missing_ok=True)

    async def _receive(self, request: Request, part: Path) -> None:
        size, pending = 0, bytearray()
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            async for chunk in request.stream():
                size += len(chunk)
                pending += chunk
                if size > MAX_CONTEXT:
                    raise _context_too_large()
                if len(pending) >= _BATCH:
                    await asyncio.to_thread(self._write, fd, bytes(pending))
                    pending.clear()
            await asyncio.to_thread(self._write, fd, bytes(pending))
        finally:
            os.close(fd)

    def _write(self, fd: int, data: bytes) -> None:
        self._disk.check()
        while data:
            data = data[os.write(fd, data) :]

    async def start(self, record: ImageRecord) -> ImageRecord:
        """Begin with a build whose context is there."""
        work = self._work.get(record.id)
        if work is None or record.source_image is not None or work.started.is_set():
            raise wire.problem(HTTPStatus.CONFLICT, f"The build is {record.status} and cannot be started.")
        if not self._context(record.id).exists():
            raise wire.problem(HTTPStatus.CONFLICT, "The context of the build was not uploaded.")
        work.started.set()
        return await self._store(replace(record, status=ImageStatus.PENDING))

    async def cancel(self, record: ImageRecord) -> ImageRecord:
        """End a build that has not ended."""
        is_cancelled = await self._stop(record.id)
        record = self.records.get(record.id) or record
        if not is_cancelled or record.status is not ImageStatus.CANCELLED:
            raise wire.problem(HTTPStatus.CONFLICT, f"The build is {record.status} already.")
        return record

    async def _stop(self, build_id: str) -> bool:
        """End a build; return whether there was one that had not ended."""
        work = self._work.get(build_id)
        if work is None or work.task is None:
            return False
        work.is_cancelled = True
        work.task.cancel()
        await work.ended.wait()
        return True

    async def delete(self, image: ImageName) -> None:
        """Delete an image, with all builds of its name."""
        found = self.records.named(image)
        if not found:
            raise wire.problem(HTTPStatus.NOT_FOUND, f"Image {image} not found")
        if any(self._is_needed(one.id) for one in found):
            raise wire.problem(HTTPStatus.CONFLICT, "A sandbox is being created from the image.")
        for record in found:
            await self._stop(record.id)
            await self._remove(record)

    def resolve(self, reference: str, team_id: str | None) -> ImageRecord | None:
        """Return the image that a new sandbox is created from, which may still be in the making; None if unknown."""
        for image in named_images(reference, team_id):
            own = [one for one in self.records.named(image) if one.driver == self._driver.name]
            complete = [one for one in own if one.status is ImageStatus.COMPLETED]
            making = [one for one in own if not one.is_finished]
            if complete or making:
                return (complete or making)[-1]
        return None

    async def ready(self, record: SandboxRecord) -> None:
        """Wait until the image of a sandbox is made.

        Raises:
            ImageUnavailable: it failed, or was deleted.
        """
        build_id = record.image_id or ""
        if (work := self._work.get(build_id)) is not None:
            await work.ended.wait()
        found = self.records.get(build_id)
        if found is None or found.status is not ImageStatus.COMPLETED:
            why = "was deleted" if found is None else f"could not be made: {found.error or found.status}"
            raise ImageUnavailable(f"The image {record.docker_image!r} {why}")

    async def log_of(self, record: ImageRecord) -> str:
        """Return the end of the log of a build."""
        if (work := self._work.get(record.id)) is not None:
            return work.log
        return (await asyncio.to_thread(self._logs.tail, record.id))[-LOG_CHARACTERS:]

    async def _carry_out(self, build_id: str, work: _Work) -> None:
        status, error, size = ImageStatus.FAILED, "", None
        try:
            size = await self._make(build_id, work)
            status = ImageStatus.COMPLETED
        except asyncio.CancelledError:
            status = ImageStatus.CANCELLED if work.is_cancelled else ImageStatus.FAILED
            error = "" if work.is_cancelled else _INTERRUPTED
        except TimeoutError:
            error = f"It took more than {BUILD_SECONDS / 60:g} minutes."
        except (DriverError, DiskFull) as failed:
            error = str(failed)
        except OSError as failed:
            error = str(self._disk.full()) if is_full(failed) else str(failed)
        except Exception as failed:
            _log.exception("image %s could not be made", build_id)
            error = f"Internal error ({type(failed).__name__}); see the platform's log."
        work.ending = asyncio.ensure_future(self._end(build_id, work, status, error, size))
        await asyncio.shield(work.ending)

    async def _make(self, build_id: str, work: _Work) -> int | None:
        record, images = self._known(build_id), self._driver.images
        if record.source_image is None:
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    await work.started.wait()
            except TimeoutError:
                raise DriverError(f"Its context was not uploaded in {UPLOAD_SECONDS // 60} minutes.") from None
        async with self._at_once, asyncio.timeout(BUILD_SECONDS):
            now = self._clock.now()
            record = await self._store(replace(self._known(build_id), status=ImageStatus.BUILDING, started_at=now))
            if record.source_image is not None:
                return await images.transfer(build_id, record.source_image, record.platform, work.note)
            context = self._context(build_id)
            if refusal := await _check(context, record.dockerfile_path):
                raise DriverError(f"The context of the build is refused: {refusal}.")
            return await images.build(build_id, context, record.dockerfile_path, record.platform, work.note)

    async def _end(self, build_id: str, work: _Work, status: ImageStatus, error: str, size: int | None) -> None:
        try:
            if status is not ImageStatus.COMPLETED:
                await self._remove_files(build_id)
            if work.log or error:
                self._logs.append(build_id, work.log + (f"{error}\n" if error else ""))
            record = replace(self._known(build_id), status=status, error=error or None, size_bytes=size)
            await self._store(record, ended=True)
            if status is ImageStatus.COMPLETED:
                await self._replace_older(record)
        finally:
            self._work.pop(build_id, None)
            # No upload can store another from here on.
            self._context(build_id).unlink(missing_ok=True)
            work.ended.set()

    async def _replace_older(self, record: ImageRecord) -> None:
        """Remove the earlier builds of the same name, but for those that something needs."""
        for one in self.records.named(record.image):
            if one.id == record.id:
                break
            if one.is_finished and not self._is_needed(one.id):
                await self._remove(one)

    def _is_needed(self, build_id: str) -> bool:
        return any(one.image_id == build_id and one.status in CHANGING_STATUSES for one in self._registry)

    async def _store(self, record: ImageRecord, *, ended: bool = False) -> ImageRecord:
        if not ended:
            return await self.records.put(record)
        record = replace(record, completed_at=self._clock.now())
        try:
            await self.records.put(record)
        except DiskFull:
            self.records.defer(record)
        return record

    async def _remove(self, record: ImageRecord) -> None:
        await self.records.remove(record.id)
        self._logs.remove(record.id)
        await self._remove_files(record.id)

    async def _remove_files(self, image_id: str) -> None:
        try:
            await self._driver.images.remove(image_id)
        except DriverError:
            _log.exception("image %s could not be removed", image_id)

    def _known(self, build_id: str) -> ImageRecord:
        record = self.records.get(build_id)
        assert record is not None  # its work ends before it is removed
        return record

    def _context(self, build_id: str) -> Path:
        return self._contexts / f"{build_id}.tar"


async def _check(context: Path, dockerfile: str) -> str:
    """Return why a context is refused; empty if it is not."""
    with await asyncio.to_thread(context.open, "rb") as file:
        process = await asyncio.create_subprocess_exec(
            str(INTERPRETER), "-I", "-S", str(_CHECK), dockerfile, stdin=file, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env={"PATH": os.defpath, "LANG": "C.UTF-8"}, cwd="/",
        )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    text = output.decode("utf-8", "replace").strip()
    return text if text or not process.returncode else "it takes too much memory or time to read"


def _context_too_large() -> wire.WireError:
    detail = f"The context of a build may have at most {MAX_CONTEXT // 1024**2:,} MiB."
    return wire.problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
