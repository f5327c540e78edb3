"""Job logs: read from the sandbox, or from a stored copy when the sandbox no longer has them."""

from __future__ import annotations

import asyncio
import contextlib

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.jobs.job import STREAMS, Job, JobKey
from sandtui.fleet.jobs.log_window import LogWindow, reader_of
from sandtui.fleet.jobs.storage import JobStorage


class JobLogs:
    """Opens job logs and stores what was read."""

    def __init__(self, client: AsyncSandboxClient, storage: JobStorage, context: str) -> None:
        self._client, self._storage, self._context = client, storage, context

    def open(self, job: Job, stream: str) -> LogWindow:
        """Return a window on a job's log; nothing is read yet."""
        return LogWindow(reader_of(self._client, job.key.sandbox_id, job.log_path(stream)))

    async def save(self, key: JobKey, stream: str, window: LogWindow) -> None:
        """Store what was read of a log, for when its sandbox is gone. A storage failure is ignored."""
        if window.loaded and not window.missing and window.lines:
            text = "\n".join(window.lines)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(
                    self._storage.save_log, self._context, key, stream, text, window.start, window.total
                )

    async def saved(self, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return the stored end of a log: its text, the byte it starts at, and the total size in bytes.

        Raises:
            OSError: the storage can't be read.
        """
        return await asyncio.to_thread(self._storage.load_log, self._context, key, stream)

    async def save_ends(self, job: Job) -> None:
        """Read and store the end of both logs of a job; a log that can't be read is skipped."""
        for stream in STREAMS:
            window = self.open(job, stream)
            try:
                await window.read_end()
            except SandboxClientError:
                continue
            await self.save(job.key, stream, window)
