"""Polls the statuses of chosen sandboxes, for scripts: 100 in a request, or one by one on an older platform."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, NotFoundError
from sandtui.client.models.sandbox import FINISHED_STATUSES

BATCH = 100
AT_ONCE = 8

GONE = "DELETED"
"""The status of a sandbox that the platform does not know any more."""


@dataclass(frozen=True, slots=True)
class PolledStatus:
    """A status, and why it is so."""

    status: str
    reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the sandbox has ended or is gone."""
        return self.status == GONE or self.status in FINISHED_STATUSES


class StatusPoll:
    """Asks for statuses; remembers that the platform has no batch status."""

    def __init__(self, client: AsyncSandboxClient) -> None:
        self._client = client
        self._batches = True

    async def ask(self, sandbox_ids: Sequence[str]) -> dict[str, PolledStatus]:
        """Return the statuses of some sandboxes.

        Raises:
            SandboxClientError: the platform could not be asked.
        """
        found: dict[str, PolledStatus] = {}
        ids = list(dict.fromkeys(sandbox_ids))
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            if self._batches:
                try:
                    found |= await self._batch(some)
                    continue
                except NotFoundError:
                    self._batches = False
            found |= await self._one_by_one(some)
        return found

    async def _batch(self, sandbox_ids: Sequence[str]) -> dict[str, PolledStatus]:
        reply = await self._client.get_sandbox_statuses(sandbox_ids)
        found = {
            row.sandbox_id: PolledStatus(row.status, row.error_type or row.error_message or "")
            for row in reply.statuses
        }
        return found | {row.sandbox_id: PolledStatus(GONE) for row in reply.errors if row.code == "NOT_FOUND"}

    async def _one_by_one(self, sandbox_ids: Sequence[str]) -> dict[str, PolledStatus]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(sandbox_id: str) -> PolledStatus:
            async with gate:
                try:
                    sandbox = await self._client.get(sandbox_id)
                except NotFoundError:
                    return PolledStatus(GONE)
            return PolledStatus(
                sandbox.status, sandbox.error_type or sandbox.error_message or sandbox.termination_reason or ""
            )

        return dict(zip(sandbox_ids, await asyncio.gather(*map(one, sandbox_ids)), strict=True))
