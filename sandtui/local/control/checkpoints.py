"""Checkpoints of sandboxes (client/WIRE.md 2.13): taking, finding and deleting them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Coroutine
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from sandtui.client.models.sandbox import CHANGING_STATUSES, SandboxStatus
from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row, refuse
from sandtui.local.drivers.base import Captured, CheckpointDriver, Driver, DriverError
from sandtui.local.store.checkpoints import UNFINISHED, CheckpointRecord, CheckpointRegistry, CheckpointState
from sandtui.local.store.disk import Disk, DiskFull, is_full
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry

MAX_CHECKPOINTS: Final = 10_000

Take = Callable[[Callable[[], None]], Awaitable[Captured]]
"""Takes a checkpoint, and calls its argument once the sandbox goes on."""

_INTERRUPTED: Final = "The platform was stopped while the checkpoint was taken."

_log = logging.getLogger(__name__)


class Checkpoints:
    """Takes checkpoints in the background and deletes them. One at a time per sandbox."""

    def __init__(
        self, records: CheckpointRegistry, registry: Registry, driver: Driver, clock: Clock, disk: Disk
    ) -> None:
        self._records = records
        self._registry = registry
        self._driver = driver
        self._clock = clock
        self._disk = disk
        self._tasks: set[asyncio.Task[None]] = set()
        self._locks: dict[str, asyncio.Lock] = {}

    async def open(self, heads: Collection[str] = ()) -> None:
        """Finish what an earlier platform began: an unfinished checkpoint has failed, and its files are removed.

        Those of ``heads``, which volumes have published, were complete.
        """
        self._records.load()
        driver = self._driver.checkpoints
        for record in self._records:
            if record.id in heads and record.state in UNFINISHED:
                await self._records.change(record.id, state=CheckpointState.DURABLE)
            elif record.state in UNFINISHED:
                await self._records.change(record.id, state=CheckpointState.FAILED, error=_INTERRUPTED)
            elif record.state is CheckpointState.DELETING and driver is not None:
                await self._remove(driver, record.id)
        if driver is None:
            return
        try:
            left = await driver.remains()
        except (DriverError, OSError):
            _log.exception("what is left of checkpoints cannot be listed")
            return
        for checkpoint_id in left:
            found = self._records.get(checkpoint_id)
            if found is None or found.state is not CheckpointState.DURABLE:
                await self._clear_away(driver, checkpoint_id)

    async def close(self) -> None:
        """Give up what is being taken."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def begin(self, record: SandboxRecord, driver: CheckpointDriver) -> CheckpointRecord:
        """Begin a checkpoint of a running sandbox."""
        parent = self.tip(record)
        checkpoint = await self.add(record, parent=parent, depth=0 if parent is None else parent.depth + 1)

        async def take(captured: Callable[[], None]) -> Captured:
            return await driver.take(record, checkpoint.id, captured)

        self.spawn(self.carry_out(record, checkpoint, take, driver), checkpoint.id)
        return checkpoint

    async def add(
        self, record: SandboxRecord, *, parent: CheckpointRecord | None, depth: int, volume_id: str | None = None
    ) -> CheckpointRecord:
        """Add the record of a new checkpoint."""
        if len(self._records) >= MAX_CHECKPOINTS:
            detail = f"There are {MAX_CHECKPOINTS:,} checkpoints, which is the limit; delete some first."
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        await asyncio.to_thread(self._disk.check)
        now = self._clock.now()
        return await self._records.add(
            CheckpointRecord(
                id=f"ckpt_{secrets.token_hex(12)}",
                sandbox_id=record.id,
                docker_image=record.docker_image,
                disk_size_gb=record.disk_size_gb,
                created_at=now,
                updated_at=now,
                parent_id=None if parent is None else parent.id,
                depth=depth,
                team_id=record.team_id,
                volume_id=volume_id,
                driver=self._driver.name,
            )
        )

    def tip(self, record: SandboxRecord) -> CheckpointRecord | None:
        """Return what the next checkpoint of a sandbox descends from."""
        own = [one for one in self._records.of_sandbox(record.id) if one.state not in _NO_PARENTS]
        if own:
            return own[-1]
        found = None if record.checkpoint_id is None else self._records.get(record.checkpoint_id)
        return None if found is None or found.state in _NO_PARENTS else found

    def durable(self, checkpoint_id: str) -> CheckpointRecord:
        """Return a checkpoint that a sandbox can be created from, or raise the error for it."""
        found = self._records.get(checkpoint_id)
        if found is None or found.state is CheckpointState.DELETING:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Checkpoint not found")
        if found.volume_id is not None:
            detail = "The checkpoint is one of a volume; attach the volume to a sandbox instead."
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        if found.state is not CheckpointState.DURABLE:
            why = f": {found.error}" if found.error else ""
            raise wire.problem(HTTPStatus.CONFLICT, f"The checkpoint is {found.state}, not DURABLE{why}")
        if found.driver != self._driver.name:
            detail = f"The checkpoint was taken with another driver ({found.driver})."
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        return found

    def why_kept(self, checkpoint: CheckpointRecord) -> str | None:
        """Return why a checkpoint cannot be deleted now, or None."""
        if checkpoint.state in UNFINISHED:
            return "The checkpoint is still being taken."
        sandbox = self._registry.get(checkpoint.sandbox_id)
        if sandbox is not None and sandbox.status is SandboxStatus.RUNNING and checkpoint.volume_id is None:
            tip = self.tip(sandbox)
            if checkpoint.state is CheckpointState.DURABLE and tip is not None and tip.id == checkpoint.id:
                return "The checkpoint is the newest of a running sandbox."
        for one in self._registry:
            if one.checkpoint_id == checkpoint.id and one.status in CHANGING_STATUSES:
                return "A sandbox is being created from the checkpoint."
        return None

    async def delete(self, checkpoint: CheckpointRecord, driver: CheckpointDriver) -> None:
        """Delete a checkpoint; once this is stored, no sandbox can be created from it."""
        if checkpoint.state is CheckpointState.DELETING:
            return  # by another request
        await self._records.change(checkpoint.id, state=CheckpointState.DELETING)
        task = self.spawn(self._remove(driver, checkpoint.id), f"end of {checkpoint.id}")
        await asyncio.shield(task)

    async def _capture(self, checkpoint: CheckpointRecord, take: Take) -> bool:
        """Return whether the checkpoint is durable now."""
        loop = asyncio.get_running_loop()
        reported: list[asyncio.Task[None]] = []

        def captured() -> None:
            reported.append(loop.create_task(self._note(checkpoint.id)))

        try:
            result: Captured = await take(captured)
            await asyncio.gather(*reported)
            await self._records.change(
                checkpoint.id, state=CheckpointState.DURABLE, occupied_bytes=result.occupied_bytes
            )
            return True
        except asyncio.CancelledError:
            await self._failed(checkpoint.id, _INTERRUPTED)
            raise
        except DiskFull as error:
            await self._failed(checkpoint.id, str(error))
        except OSError as error:
            await self._failed(checkpoint.id, str(self._disk.full()) if is_full(error) else str(error))
        except DriverError as error:
            await self._failed(checkpoint.id, str(error))
        except Exception as error:
            _log.exception("checkpoint %s could not be taken", checkpoint.id)
            await self._failed(checkpoint.id, f"Internal error ({type(error).__name__}); see the platform's log.")
        return False

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start work that ends with the platform."""
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def carry_out(
        self, record: SandboxRecord, checkpoint: CheckpointRecord, take: Take, driver: CheckpointDriver
    ) -> None:
        """Take a checkpoint to its end, after others of the same sandbox; nothing is left of one that fails."""
        lock = self._locks.setdefault(record.id, asyncio.Lock())

        async def take_in_turn(captured: Callable[[], None]) -> Captured:
            async with lock:
                result = await take(captured)
            stood = round(result.frozen_seconds * 1000)
            self._driver.note(record.id, f"checkpoint {checkpoint.id}: the sandbox stood still for {stood} ms")
            return result

        if not await self._capture(checkpoint, take_in_turn):
            await self._clear_away(driver, checkpoint.id)
        if not lock.locked():
            self._locks.pop(record.id, None)

    async def _note(self, checkpoint_id: str) -> None:
        await self._records.change(checkpoint_id, state=CheckpointState.FROZEN)

    async def _failed(self, checkpoint_id: str, why: str) -> None:
        try:
            await self._records.change(checkpoint_id, state=CheckpointState.FAILED, error=why)
        except DiskFull:
            self._records.defer(checkpoint_id, state=CheckpointState.FAILED, error=why)

    async def _remove(self, driver: CheckpointDriver, checkpoint_id: str) -> None:
        await self._clear_away(driver, checkpoint_id)
        await self._records.remove(checkpoint_id)

    async def _clear_away(self, driver: CheckpointDriver, checkpoint_id: str) -> None:
        try:
            await driver.remove(checkpoint_id)
        except (DriverError, OSError):
            _log.exception("the files of checkpoint %s could not be removed", checkpoint_id)


_NO_PARENTS: Final = frozenset({CheckpointState.FAILED, CheckpointState.DELETING})


class CheckpointRoutes:
    """The calls about checkpoints."""

    def __init__(
        self,
        access: ApiKeyGuard,
        records: CheckpointRegistry,
        checkpoints: Checkpoints,
        registry: Registry,
        driver: Driver,
    ) -> None:
        self._access = access
        self._records = records
        self._checkpoints = checkpoints
        self._registry = registry
        self._driver = driver

    def rows(self) -> list[Row]:
        """Return the calls, which must come before those with the id of a sandbox."""
        if self._driver.checkpoints is None:
            what = f"With the {self._driver.name} driver, checkpoints are"
            return [
                ("*", "/sandbox/{id}/checkpoints", refuse(what)),
                ("*", "/sandbox/checkpoints{rest:path}", refuse(what)),
            ]
        return [
            ("POST", "/sandbox/checkpoints:batchGet", self.get_many),
            ("GET", "/sandbox/checkpoints/{checkpoint_id}", self.get),
            ("DELETE", "/sandbox/checkpoints/{checkpoint_id}", self.delete),
            ("POST", "/sandbox/{id}/checkpoints", self.take),
            ("GET", "/sandbox/{id}/checkpoints", self.get_all),
            ("DELETE", "/sandbox/{id}/checkpoints", self.delete_all),
        ]

    async def take(self, request: Request) -> Response:
        """POST /sandbox/{id}/checkpoints."""
        record = self._access.running(request)
        checkpoint = await self._checkpoints.begin(record, self._offered)
        return wire.AsciiJSONResponse(wire.checkpoint_response(checkpoint), HTTPStatus.CREATED)

    async def get_all(self, request: Request) -> Response:
        """GET /sandbox/{id}/checkpoints."""
        found = self._of_sandbox(request)
        if only := request.query_params.get("checkpoint_id"):
            found = [one for one in found if one.id == only]
        return wire.AsciiJSONResponse({"checkpoints": [wire.checkpoint_response(one) for one in found]})

    async def get(self, request: Request) -> Response:
        """GET /sandbox/checkpoints/{checkpoint_id}."""
        return wire.AsciiJSONResponse(wire.checkpoint_response(self._named(request)))

    async def get_many(self, request: Request) -> Response:
        """POST /sandbox/checkpoints:batchGet."""
        body = await wire.read_body(request, wire.CheckpointIds)
        found, errors = [], []
        for checkpoint_id in body.checkpoint_ids:
            if (one := self._records.get(checkpoint_id)) is None:
                message = "Checkpoint not found"
                errors.append({"checkpoint_id": checkpoint_id, "code": "NOT_FOUND", "message": message})
            else:
                found.append(wire.checkpoint_response(one))
        return wire.AsciiJSONResponse({"checkpoints": found, "errors": errors})

    async def delete(self, request: Request) -> Response:
        """DELETE /sandbox/checkpoints/{checkpoint_id}."""
        checkpoint = self._named(request)
        if checkpoint.volume_id is not None:
            detail = "The checkpoint is one of a volume, and is deleted with it."
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        if (why := self._checkpoints.why_kept(checkpoint)) is not None:
            raise wire.problem(HTTPStatus.CONFLICT, why)
        await self._checkpoints.delete(checkpoint, self._offered)
        return wire.AsciiJSONResponse({"success": True, "message": f"Checkpoint {checkpoint.id} deleted"})

    async def delete_all(self, request: Request) -> Response:
        """DELETE /sandbox/{id}/checkpoints."""
        deleted, errors = [], []
        for checkpoint in self._of_sandbox(request):
            if (why := self._checkpoints.why_kept(checkpoint)) is not None:
                errors.append({"checkpoint_id": checkpoint.id, "code": "CONFLICT", "message": why})
            else:
                await self._checkpoints.delete(checkpoint, self._offered)
                deleted.append(checkpoint.id)
        return wire.AsciiJSONResponse({"deleted": deleted, "errors": errors})

    @property
    def _offered(self) -> CheckpointDriver:
        assert self._driver.checkpoints is not None
        return self._driver.checkpoints

    def _named(self, request: Request) -> CheckpointRecord:
        found = self._records.get(request.path_params["checkpoint_id"])
        if found is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Checkpoint not found")
        return found

    def _of_sandbox(self, request: Request) -> list[CheckpointRecord]:
        """Return the checkpoints of a sandbox, whose own record may be gone already."""
        sandbox_id = request.path_params["id"]
        found = self._records.of_sandbox(sandbox_id)
        if not found:
            self._access.sandbox(request)
        return found
