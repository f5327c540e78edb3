"""The life cycle of sandboxes: from PENDING to RUNNING to the end, whatever ends them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any

from sandtui.client.models.sandbox import CHANGING_STATUSES, ErrorType, SandboxStatus
from sandtui.clock import Clock
from sandtui.local.control.deadlines import Deadlines
from sandtui.local.drivers.base import Driver, DriverError, Ending, ImageUnavailable, Instance, NeverStarted
from sandtui.local.store.disk import DiskFull
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry

LOST = "SANDBOX_LOST"
START_FAILED = "START_FAILED"

_ENDING_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Lifecycle:
    """Moves sandboxes through their states. Each change is durable before it is reported."""

    def __init__(self, registry: Registry, driver: Driver, clock: Clock) -> None:
        self._registry = registry
        self._driver = driver
        self._clock = clock
        self._deadlines = Deadlines(clock, self._due)
        self._instances: dict[str, Instance] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._active: dict[str, datetime] = {}
        self._busy: dict[str, int] = {}
        self.on_end: list[Callable[[str], Awaitable[None]]] = []
        """Called when the end of a sandbox is stored, before its files are removed."""
        self.image_of: Callable[[SandboxRecord], Awaitable[None]] | None = None
        """Waits until the image of a sandbox is built; raises an ImageUnavailable if it never will be."""

    async def open(self) -> None:
        """Adopt the sandboxes of an earlier platform, finish what was interrupted and clean up the rest."""
        self._deadlines.open()
        live = [record for record in self._registry if not record.is_finished]
        for record in live:
            if record.driver not in ("", self._driver.name):
                reason = f"The platform was restarted with another driver ({self._driver.name})."
                await self._finish(record.id, SandboxStatus.ERROR, error_type=LOST, error_message=reason)
            elif record.status in CHANGING_STATUSES:
                self._spawn(record.id, self._start(record))
            else:
                await self._adopt_or_give_up(record)
        known = {record.id for record in live if not self._is_finished(record.id)}
        for sandbox_id in await self._driver.remains():
            if sandbox_id not in known:
                await self._discard(sandbox_id)

    async def close(self) -> None:
        """End all sandboxes that cannot run without the platform."""
        await self._deadlines.close()
        if not self._driver.keeps_sandboxes:
            live = [record.id for record in self._registry if not record.is_finished]
            await asyncio.gather(*(self.end(sandbox_id, "The platform was stopped.") for sandbox_id in live))
        if self._ending:
            await asyncio.wait(self._ending.values())
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def create(self, record: SandboxRecord) -> None:
        """Add a new sandbox and start it in the background.

        Raises:
            DiskFull: it could not be stored, and is not added.
        """
        await self._registry.add(record)
        self._spawn(record.id, self._start(record))

    async def end(self, sandbox_id: str, reason: str) -> None:
        """End a sandbox on request; no effect if it has ended."""
        await self._finish(sandbox_id, SandboxStatus.TERMINATED, termination_reason=reason)

    def instance(self, sandbox_id: str) -> Instance | None:
        """Return a running sandbox, or None."""
        return self._instances.get(sandbox_id)

    def is_busy(self, sandbox_id: str) -> bool:
        """Whether a sandbox is in use now."""
        return sandbox_id in self._busy

    async def wait_ended(self, sandbox_id: str) -> None:
        """Wait until a sandbox that is ending by itself is stored as ended."""
        life = self._tasks.get(sandbox_id)
        if life is not None:
            await asyncio.wait([life], timeout=_ENDING_SECONDS)
        if (end := self._ending.get(sandbox_id)) is not None:
            await asyncio.wait([end], timeout=_ENDING_SECONDS)

    @contextlib.contextmanager
    def activity(self, sandbox_id: str) -> Iterator[None]:
        """Keep a sandbox from becoming idle while it is in use."""
        self._busy[sandbox_id] = self._busy.get(sandbox_id, 0) + 1
        try:
            yield
        finally:
            self._busy[sandbox_id] -= 1
            if not self._busy[sandbox_id]:
                del self._busy[sandbox_id]
            if sandbox_id in self._instances:
                self._active[sandbox_id] = self._clock.now()

    async def _start(self, record: SandboxRecord) -> None:
        try:
            if record.status is SandboxStatus.PENDING:
                if self.image_of is not None and record.pending_image_build_id is not None:
                    await self.image_of(record)
                    record = await self._registry.change(record.id, pending_image_build_id=None)
                await self._driver.admit(record)
                record = await self._registry.change(record.id, status=SandboxStatus.PROVISIONING)
            self._driver.note(record.id, f"{self._driver.name} driver: {self._driver.isolation}")
            instance = await self._driver.start(record)
            # A client that reads RUNNING may use the sandbox at once.
            self._instances[record.id] = instance
            now, name = self._clock.now(), self._driver.name
            record = await self._registry.change(record.id, status=SandboxStatus.RUNNING, started_at=now, driver=name)
            self._watch(record, instance)
        except ImageUnavailable as error:
            kind = ErrorType.IMAGE_PULL_FAILED.value
            await self._finish(record.id, SandboxStatus.ERROR, error_type=kind, error_message=str(error))
        except NeverStarted as error:
            kind = error.error_type
            await self._finish(record.id, SandboxStatus.ERROR, error_type=kind, error_message=str(error))
        except (DriverError, OSError) as error:
            await self._finish(record.id, SandboxStatus.ERROR, error_type=START_FAILED, error_message=str(error))
        except Exception as error:
            # An internal error must not leave a sandbox PENDING forever.
            _log.exception("sandbox %s could not be started", record.id)
            reason = f"Internal error ({type(error).__name__}); see the log of the local platform."
            await self._finish(record.id, SandboxStatus.ERROR, error_type=START_FAILED, error_message=reason)

    async def _adopt_or_give_up(self, record: SandboxRecord) -> None:
        try:
            await self._adopt(record)
        except Exception as error:
            # The platform must start, whatever happened in a single sandbox.
            _log.exception("sandbox %s could not be adopted", record.id)
            reason = f"The sandbox could not be adopted when the platform started: {error}"
            await self._finish(record.id, SandboxStatus.ERROR, error_type=LOST, error_message=reason)

    async def _adopt(self, record: SandboxRecord) -> None:
        instance = await self._driver.adopt(record)
        if instance is not None:
            if not self._driver.keeps_sandboxes:
                self._driver.note(record.id, "adopted by a new platform")
            self._watch(record, instance)
            return
        if record.expires_at is not None and record.expires_at <= self._clock.now():
            await self._finish(record.id, SandboxStatus.TIMEOUT, **_lifetime_over(record))
            return
        reason = "The platform was killed, and the sandbox no longer existed when it was restarted."
        await self._finish(record.id, SandboxStatus.ERROR, error_type=LOST, error_message=reason)

    def _watch(self, record: SandboxRecord, instance: Instance) -> None:
        self._instances[record.id] = instance
        self._active[record.id] = self._clock.now()
        self._schedule(record)
        if self._driver.may_end(record):
            self._spawn(record.id, self._supervise(record.id, instance))

    async def _supervise(self, sandbox_id: str, instance: Instance) -> None:
        ending = await instance.ended()
        status, values = _status_of(ending)
        await self._finish(sandbox_id, status, **values)

    def _schedule(self, record: SandboxRecord) -> None:
        moments = [moment for moment in (record.expires_at, self._idle_at(record)) if moment is not None]
        if moments:
            self._deadlines.add(record.id, min(moments))

    def _idle_at(self, record: SandboxRecord) -> datetime | None:
        if record.idle_timeout_minutes is None:
            return None
        last = self._clock.now() if self.is_busy(record.id) else self._active[record.id]
        return last + timedelta(minutes=record.idle_timeout_minutes)

    async def _due(self, sandbox_id: str) -> None:
        record = self._registry.get(sandbox_id)
        if record is None or sandbox_id not in self._instances:
            return
        now = self._clock.now()
        idle_at = self._idle_at(record)
        if record.expires_at is not None and record.expires_at <= now:
            self._start_ending(sandbox_id, SandboxStatus.TIMEOUT, **_lifetime_over(record))
        elif idle_at is not None and idle_at <= now:
            reason = f"The sandbox was idle for {record.idle_timeout_minutes} minutes."
            self._start_ending(sandbox_id, SandboxStatus.TERMINATED, termination_reason=reason)
        else:
            self._schedule(record)

    async def _finish(self, sandbox_id: str, status: SandboxStatus, **values: Any) -> None:
        """End a sandbox, or wait for the end that is in progress."""
        # In a separate task: a cancelled request must not leave the end incomplete.
        await asyncio.shield(self._start_ending(sandbox_id, status, **values))

    def _start_ending(self, sandbox_id: str, status: SandboxStatus, **values: Any) -> asyncio.Task[None]:
        task = self._ending.get(sandbox_id)
        if task is None:
            work = self._complete_end(sandbox_id, status, values)
            task = asyncio.create_task(work, name=f"end of {sandbox_id}")
            self._ending[sandbox_id] = task
            task.add_done_callback(lambda done: self._settled(sandbox_id, done, self._ending))
        return task

    async def _complete_end(self, sandbox_id: str, status: SandboxStatus, values: dict[str, Any]) -> None:
        """Store the end, then carry it out: a platform that is killed in between is able to continue."""
        if self._is_finished(sandbox_id):
            return
        self._instances.pop(sandbox_id, None)
        self._active.pop(sandbox_id, None)
        life = self._tasks.pop(sandbox_id, None)
        if life is not None:
            # First of all, so that nothing can store RUNNING after the end.
            life.cancel()
            await asyncio.wait([life])
        self._instances.pop(sandbox_id, None)
        values |= {"status": status, "terminated_at": self._clock.now()}
        try:
            record = await self._registry.change(sandbox_id, **values)
        except DiskFull:
            # The record may need the space that this frees.
            await self._discard(sandbox_id)
            record = await self._store_end(sandbox_id, values)
        why = record.error_message or record.termination_reason or "it ended by itself"
        self._driver.note(sandbox_id, f"{status.value.lower()}: {why}")
        for ended in self.on_end:
            await self._notify(ended, sandbox_id)
        await self._discard(sandbox_id)

    async def _store_end(self, sandbox_id: str, values: dict[str, Any]) -> SandboxRecord:
        try:
            return await self._registry.change(sandbox_id, **values)
        except DiskFull:
            _log.warning("the end of %s cannot be stored: the disk is full", sandbox_id)
            return self._registry.defer(sandbox_id, **values)

    async def _notify(self, ended: Callable[[str], Awaitable[None]], sandbox_id: str) -> None:
        try:
            await ended(sandbox_id)
        except DiskFull:
            _log.warning("records that belong to %s cannot be removed: the disk is full", sandbox_id)

    async def _discard(self, sandbox_id: str) -> None:
        try:
            await self._driver.discard(sandbox_id)
        except Exception:
            # Of any kind: one sandbox that cannot be cleaned up must not block the platform. What is left is cleaned
            # up at the next start.
            _log.exception("sandbox %s could not be cleaned up", sandbox_id)

    def _is_finished(self, sandbox_id: str) -> bool:
        record = self._registry.get(sandbox_id)
        return record is None or record.is_finished

    def _spawn(self, sandbox_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"life of {sandbox_id}")
        self._tasks[sandbox_id] = task
        task.add_done_callback(lambda done: self._settled(sandbox_id, done, self._tasks))

    def _settled(self, sandbox_id: str, task: asyncio.Task[None], tasks: dict[str, asyncio.Task[None]]) -> None:
        if tasks.get(sandbox_id) is task:
            del tasks[sandbox_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)


def _lifetime_over(record: SandboxRecord) -> dict[str, str]:
    text = f"The lifetime of {record.timeout_minutes} minutes is over."
    return {"error_type": ErrorType.TIMEOUT.value, "error_message": text}


def _status_of(ending: Ending) -> tuple[SandboxStatus, dict[str, Any]]:
    """Return the status and the fields for the end of a sandbox."""
    values: dict[str, Any] = {"exit_code": ending.exit_code, "error_type": ending.error_type}
    if ending.exit_code == 0 and ending.error_type is None:
        return SandboxStatus.TERMINATED, values | {"termination_reason": "The start command ended."}
    message = ending.message or f"The start command ended with exit code {ending.exit_code}."
    return SandboxStatus.ERROR, values | {"error_message": message}
