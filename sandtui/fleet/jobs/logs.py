"""The logs of jobs: read in the sandbox, and from what was kept when that is gone."""

from __future__ import annotations

import asyncio
import contextlib

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.jobs.job import STREAMS, Job, JobKey
from sandtui.fleet.jobs.keeper import JobKeeper
from sandtui.fleet.jobs.log_window import LogWindow, reader_of


class JobLogs:
    """Opens the logs of jobs and keeps what was read of them."""

    def __init__(self, client: AsyncSandboxClient, keeper: JobKeeper, context: str) -> None:
        self._client, self._keeper, self._context = client, keeper, context

    def open(self, job: Job, stream: str) -> LogWindow:
        """Return a view of a log of a job; nothing is read yet."""
        return LogWindow(reader_of(self._client, job.key.sandbox_id, job.log_path(stream)))

    async def keep(self, key: JobKey, stream: str, window: LogWindow) -> None:
        """Keep what was read of a log, so that it can be read when its sandbox is gone; a full disk is no matter."""
        if window.loaded and not window.missing and window.lines:
            text = "\n".join(window.lines)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(
                    self._keeper.keep_log, self._context, key, stream, text, window.start, window.total
                )

    async def kept(self, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return what was kept of a log: its text, and which byte of how many it begins at.

        Raises:
            OSError: it can't be read.
        """
        return await asyncio.to_thread(self._keeper.log, self._context, key, stream)

    async def fetch_ends(self, job: Job) -> None:
        """Read the end of both logs of a job and keep them; what can't be read is left out."""
        for stream in STREAMS:
            window = self.open(job, stream)
            try:
                await window.read_end()
            except SandboxClientError:
                continue
            await self.keep(job.key, stream, window)
