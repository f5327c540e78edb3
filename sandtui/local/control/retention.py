"""How long the logs and records of ended sandboxes are kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sandtui.clock import Clock
from sandtui.local.drivers.logs import SandboxLogs, StoredLog
from sandtui.local.files import remove_leftovers
from sandtui.local.settings import RetentionLimits
from sandtui.local.store.disk import Disk, DiskFull
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry

LOG_IS_GONE: Final = "platform: the log of this sandbox is no longer kept\n"

_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_AT_ONCE: Final = 500

_log = logging.getLogger(__name__)


class Retention:
    """Removes the oldest logs and records of ended sandboxes, at the start and while the platform runs."""

    def __init__(
        self,
        registry: Registry,
        logs: SandboxLogs | None,
        clock: Clock,
        keep: RetentionLimits,
        state_dir: Path,
        disk: Disk,
    ) -> None:
        self._disk = disk
        self._registry = registry
        self._logs = logs
        self._clock = clock
        self._keep = keep
        self._state_dir = state_dir
        self._has_ended = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Remove what is past the limits, and check again regularly."""
        await asyncio.to_thread(remove_leftovers, self._state_dir, self._clock.now())
        await self._sweep()
        self._task = asyncio.create_task(self._run(), name="retention")

    async def close(self) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def ended(self, sandbox_id: str) -> None:
        """Check soon: another sandbox has ended."""
        self._has_ended = True

    async def _run(self) -> None:
        looked = swept = self._clock.now()
        while True:
            await self._clock.sleep_until(looked + _PAUSE)
            looked = self._clock.now()
            await asyncio.to_thread(self._disk.refill)
            with contextlib.suppress(DiskFull):
                await self._registry.store_deferred()
            if self._has_ended or looked - swept >= _LONGEST_PAUSE:
                self._has_ended, swept = False, looked
                await self._sweep()

    async def _sweep(self) -> None:
        try:
            await self._forget_records()
            if self._logs is not None:
                await self._remove_logs(self._logs)
        except Exception:
            # Whatever cannot be removed now may be removable next time; the platform must keep running.
            _log.exception("the logs and records of ended sandboxes could not be removed")

    async def _forget_records(self) -> None:
        oldest = self._clock.now() - timedelta(days=self._keep.record_days)
        doomed = await asyncio.to_thread(_surplus, list(self._registry), oldest, self._keep.records)
        for start in range(0, len(doomed), _AT_ONCE):
            part = doomed[start : start + _AT_ONCE]
            await self._registry.forget(part)
            if self._logs is not None:
                await asyncio.to_thread(_remove, self._logs, part)

    async def _remove_logs(self, logs: SandboxLogs) -> None:
        # List the logs before asking the registry: a sandbox is recorded before it has a log.
        stored = await asyncio.to_thread(logs.stored)
        known = [(self._registry.get(log.sandbox_id), log) for log in stored]
        ended = [(_ended_at(record, log), log) for record, log in known if record is None or record.is_finished]
        oldest = self._clock.now() - timedelta(days=self._keep.log_days)
        left = self._keep.log_bytes
        doomed = []
        for when, log in sorted(ended, reverse=True):
            left -= log.size
            if left < 0 or when < oldest:
                doomed.append(log.sandbox_id)
        await asyncio.to_thread(_remove, logs, reversed(doomed))


def _ended_at(record: SandboxRecord | None, log: StoredLog) -> datetime:
    return log.changed_at if record is None else record.terminated_at or record.updated_at


def _surplus(records: list[SandboxRecord], oldest: datetime, most: int) -> list[str]:
    """Return the ids of ended sandboxes that are past the limits, oldest first."""
    ended = sorted((record.terminated_at or record.updated_at, record.id) for record in records if record.is_finished)
    too_many = max(0, len(ended) - most)
    return [key for number, (when, key) in enumerate(ended) if number < too_many or when < oldest]


def _remove(logs: SandboxLogs, sandbox_ids: Iterable[str]) -> None:
    for sandbox_id in sandbox_ids:
        try:
            logs.remove(sandbox_id)
        except OSError:
            _log.exception("the log of %s could not be removed", sandbox_id)
